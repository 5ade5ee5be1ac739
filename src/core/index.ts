// The core: everything but a runtime's WebSocket.
export type { Clock, Random } from './clock.ts';
export type { ConnectionStatus, Session } from './session.ts';
export type { Connection, ConnectionHandlers, LifecycleSignal, Transport } from './transport.ts';
