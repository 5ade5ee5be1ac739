// Random histories of consumers that read alone, against the model.
import { describe, it } from 'vitest';
import { aloneSteps, checkRuns, MODEL_RUNS } from './model-steps.test-support.ts';

describe('consumers that read alone, whatever happens,', () => {
  it('get every record in order, from where they stand, within their bound', async () => {
    await checkRuns(false, aloneSteps, Math.ceil(MODEL_RUNS / 4));
  }, 600_000);
});
