import { consumerCasesWith } from './test-consumer-cases.ts';

consumerCasesWith('consumer');
