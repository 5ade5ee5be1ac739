// The requests of Kafka's protocol that every part of this log sends: to find brokers, leaders and coordinators. Each part has its own beside its code.
import {
  apiVersionsV3,
  fetchV13,
  fetchV17,
  findCoordinatorV4,
  findCoordinatorV5,
  findCoordinatorV6,
  initProducerIdV3,
  initProducerIdV5,
  listOffsetsV5,
  listOffsetsV9,
  metadataV10,
  metadataV11,
  metadataV12,
  offsetFetchV8,
  produceV9,
  produceV11,
} from '@platformatic/kafka';
import { answered, apiFamily, type Send } from './api-family.ts';
import type { MetadataAnswer } from './metadata.ts';

/** Of these topics, or of all that we may know of (null); none is made. From 10 on topics have ids. */
type Names = readonly string[] | null;
const metadata = (send: Send<[string[] | null, boolean, boolean], MetadataAnswer>): Send<[Names], MetadataAnswer> => {
  return (connection, names) => send(connection, names === null ? null : [...names], false, false);
};

export const METADATA = apiFamily('Metadata', metadataV12.api.key, {
  10: metadata(answered(metadataV10.api)),
  11: metadata(answered(metadataV11.api)),
  12: metadata(answered(metadataV12.api)),
});

export interface Coordinator {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly errorCode: number;
  readonly errorMessage?: string | null | undefined;
}
const GROUP = 0;
const coordinator = (
  send: Send<[typeof GROUP, string[]], { readonly coordinators: readonly Coordinator[] }>,
): Send<[string], Coordinator | undefined> => {
  return async (connection, groupId) => (await send(connection, GROUP, [groupId])).coordinators[0];
};
export const FIND_COORDINATOR = apiFamily('FindCoordinator', findCoordinatorV6.api.key, {
  4: coordinator(answered(findCoordinatorV4.api)),
  5: coordinator(answered(findCoordinatorV5.api)),
  6: coordinator(answered(findCoordinatorV6.api)),
});

/** What a broker must have so that anything works at all, for one clear line where it has not. */
export const REQUIRED = [
  METADATA,
  FIND_COORDINATOR,
  range('ApiVersions', apiVersionsV3.api.key, 3, 3),
  range('Fetch', fetchV17.api.key, fetchV13.api.version, fetchV17.api.version),
  range('ListOffsets', listOffsetsV9.api.key, listOffsetsV5.api.version, listOffsetsV9.api.version),
  range('Produce', produceV11.api.key, produceV9.api.version, produceV11.api.version + 2),
  range('InitProducerId', initProducerIdV5.api.key, initProducerIdV3.api.version, initProducerIdV5.api.version),
  range('OffsetFetch', offsetFetchV8.api.key, offsetFetchV8.api.version, offsetFetchV8.api.version + 1),
] as const;

function range(name: string, key: number, from: number, to: number) {
  const versions = Array.from({ length: to - from + 1 }, (_, i) => [from + i, undefined] as const);
  return { name, key, versions };
}
