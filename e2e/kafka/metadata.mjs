// Asks one broker what it knows of its cluster: a Metadata request, written and read by hand, so that readiness needs neither
// a client library nor a Java process. Knows nothing of who runs the brokers.
import { connect } from 'node:net';

const METADATA = 3;
const VERSION = 1;
const REQUEST_TIMEOUT_MS = 2_000;

/**
 * @typedef {{ error: number, partition: number, leader: number, replicas: number[], isr: number[] }} PartitionState
 * @typedef {{ brokers: { id: number, host: string, port: number }[], controller: number, topics: { error: number, name: string, internal: boolean, partitions: PartitionState[] }[] }} Metadata
 */

function request() {
  const clientId = Buffer.from('e2e');
  // No list of topics means all of them.
  const bytes = Buffer.alloc(4 + 2 + 2 + 4 + 2 + clientId.length + 4);
  bytes.writeInt32BE(bytes.length - 4, 0);
  bytes.writeInt16BE(METADATA, 4);
  bytes.writeInt16BE(VERSION, 6);
  bytes.writeInt32BE(1, 8);
  bytes.writeInt16BE(clientId.length, 12);
  clientId.copy(bytes, 14);
  bytes.writeInt32BE(-1, 14 + clientId.length);
  return bytes;
}

/** @param {Buffer} bytes the response without its length @returns {Metadata} */
function parse(bytes) {
  let at = 4;
  const int16 = () => bytes.readInt16BE((at += 2) - 2);
  const int32 = () => bytes.readInt32BE((at += 4) - 4);
  const bool = () => bytes.readInt8((at += 1) - 1) !== 0;
  const string = () => {
    const length = int16();
    if (length < 0) return '';
    return bytes.toString('utf8', at, (at += length));
  };
  /** @template T @param {() => T} item @returns {T[]} */
  const array = (item) => Array.from({ length: int32() }, item);
  const brokers = array(() => {
    const broker = { id: int32(), host: string(), port: int32() };
    string(); // rack
    return broker;
  });
  const controller = int32();
  const topics = array(() => ({
    error: int16(),
    name: string(),
    internal: bool(),
    partitions: array(() => ({
      error: int16(),
      partition: int32(),
      leader: int32(),
      replicas: array(int32),
      isr: array(int32),
    })),
  }));
  return { brokers, controller, topics };
}

/**
 * What the broker at this address knows; rejects when it does not answer.
 * @param {string} host @param {number} port @returns {Promise<Metadata>}
 */
export function metadataOf(host, port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let received = Buffer.alloc(0);
    const fail = (/** @type {Error} */ error) => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(REQUEST_TIMEOUT_MS, () => fail(new Error(`${host}:${port} does not answer`)));
    socket.on('error', fail);
    socket.on('close', () => fail(new Error(`${host}:${port} closed the connection`)));
    socket.on('connect', () => socket.write(request()));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 4 || received.length < 4 + received.readInt32BE(0)) return;
      resolve(parse(received.subarray(4)));
      socket.destroy();
    });
  });
}
