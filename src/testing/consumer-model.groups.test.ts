// Random histories of consumers that share a group, against the model.
import { describe, it } from 'vitest';
import { checkRuns, groupSteps, MODEL_RUNS } from './model-steps.test-support.ts';

describe('consumers that share a group, whatever happens,', () => {
  it('get every record, each partition in order and from its owner only, and commit what is processed', async () => {
    await checkRuns(true, groupSteps, Math.floor((MODEL_RUNS * 3) / 4));
  }, 600_000);
});
