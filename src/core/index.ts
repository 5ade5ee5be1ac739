// The core: everything but a runtime's WebSocket.
export type { Clock, Random } from './clock.ts';
// How every package of this project checks its options.
export { choice, flag, hasMethods, instance, integer, label, parseConfig } from './config.ts';
export type { ConnectionStatus, Session } from './session.ts';
export type { Connection, ConnectionHandlers, LifecycleSignal, Transport } from './transport.ts';
