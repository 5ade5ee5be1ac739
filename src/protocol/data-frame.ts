// The two binary frames: data (gateway → client) and produce (client → gateway). Knows nothing of what is in a batch.

export const FRAME_TYPE_DATA = 1;
export const FRAME_TYPE_PRODUCE = 2;

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}
export interface DataFrameHeader {
  readonly stream: number;
  readonly topicId: string;
  readonly partition: number;
  readonly logStart: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  /** Where reading goes on, also when the frame holds no batch. */
  readonly nextOffset: number;
  readonly aborted: readonly AbortedTransaction[];
}
export interface DataFrame extends DataFrameHeader {
  /** A view: the batches, exactly as the log stores them. */
  readonly batches: Uint8Array;
}
export interface ProduceFrame {
  readonly id: number;
  readonly topicId: string;
  readonly partition: number;
  /** A view: exactly one batch. */
  readonly batches: Uint8Array;
}
/** Bytes of the header of a data frame. */
export function dataFrameHeaderBytes(abortedCount: number): number {
  throw new Error(`not implemented ${abortedCount}`);
}
/** Writes the header so that it ends at `end`, where the batches begin; returns where the frame begins. */
export function writeDataFrameHeader(target: Uint8Array, end: number, header: DataFrameHeader): number {
  throw new Error(`not implemented ${target} ${end} ${header}`);
}
/** Throws INVALID_REQUEST saying what is wrong. */
export function parseDataFrame(frame: Uint8Array): DataFrame {
  throw new Error(`not implemented ${frame}`);
}
export function encodeProduceFrame(
  id: number,
  topicId: string,
  partition: number,
  batch: Uint8Array,
): Uint8Array<ArrayBuffer> {
  throw new Error(`not implemented ${id} ${topicId} ${partition} ${batch}`);
}
/** Throws INVALID_REQUEST; `id` is filled in by readProduceId where the frame is long enough. */
export function parseProduceFrame(frame: Uint8Array): ProduceFrame {
  throw new Error(`not implemented ${frame}`);
}
