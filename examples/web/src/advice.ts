// What an error means for someone who looks at the page, and what to do about it. Knows nothing of consumers or views.
import type { LogError } from 'distributedlog';

export type Remedy = 'reconnect' | 'skip' | 'earliest' | 'latest' | 'leaveGroup';
export interface Advice {
  readonly title: string;
  readonly advice: string;
  readonly remedies: readonly Remedy[];
}

export function adviseOn(error: Pick<LogError, 'code' | 'topic' | 'partition' | 'offset'>): Advice {
  const place = error.topic === undefined ? 'a partition' : `${error.topic} / ${error.partition ?? '?'}`;
  const known = error.topic !== undefined && error.partition !== undefined;
  switch (error.code) {
    case 'OFFSET_OUT_OF_RANGE':
    case 'NO_OFFSET_FOR_PARTITION':
      return {
        title: `${place} cannot be read from that offset`,
        advice: 'The log no longer has it, or does not have it yet. Choose where to go on.',
        remedies: ['earliest', 'latest'],
      };
    case 'CORRUPT_MESSAGE':
    case 'RECORD_TOO_LARGE':
    case 'DESERIALIZATION_FAILED':
    case 'UNSUPPORTED_FOR_MESSAGE_FORMAT':
    case 'UNSUPPORTED_COMPRESSION_TYPE':
      return {
        title: `A record of ${place} cannot be read`,
        advice:
          known && error.offset !== undefined
            ? `Everything before offset ${error.offset} was delivered. Skip it to go on, or go to the live end.`
            : 'Go to the live end to pass it.',
        remedies: known && error.offset !== undefined ? ['skip', 'latest'] : ['latest'],
      };
    case 'TOPIC_AUTHORIZATION_FAILED':
    case 'GROUP_AUTHORIZATION_FAILED':
    case 'UNAUTHENTICATED':
      return {
        title: 'This page is not allowed to read that',
        advice: 'Ask whoever runs the gateway for access, or choose other topics; then reconnect.',
        remedies: ['reconnect'],
      };
    case 'INVALID_TOPIC_EXCEPTION':
      return {
        title: 'That is not a topic name',
        advice: 'Topic names have 1 to 249 letters, digits, dots, dashes and underscores. Choose another topic.',
        remedies: [],
      };
    case 'INVALID_GROUP_ID':
    case 'UNKNOWN_MEMBER_ID':
    case 'FENCED_MEMBER_EPOCH':
    case 'FENCED_INSTANCE_ID':
    case 'GROUP_MAX_SIZE_REACHED':
      return {
        title: 'The consumer group let this page go',
        advice: 'Another page may have taken its place. Reconnect to join again, or read without a group.',
        remedies: ['reconnect', 'leaveGroup'],
      };
    case 'UNSUPPORTED_VERSION':
      return {
        title: 'This page and the gateway speak different versions',
        advice: 'Reload the page to get the one that belongs to the gateway.',
        remedies: ['reconnect'],
      };
    default:
      return {
        title: 'Reading has stopped',
        advice: 'Reconnect to go on from where this page was. If it happens again, the gateway’s log has the details.',
        remedies: ['reconnect'],
      };
  }
}
