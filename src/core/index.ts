// The core: everything but a runtime's WebSocket. Its clients need a transport in their configuration.
export { Admin } from './admin.ts';
export { Client, type ClientClasses } from './client.ts';
// How every package of this project checks its options.
export { choice, flag, hasMethods, instance, integer, label, parseConfig } from './config.ts';
export { Consumer } from './consumer.ts';
export { Producer } from './producer.ts';
export * from './public.ts';
// What a session promises to those that share it.
export type { Session } from './session.ts';
export { systemClock } from './system-clock.ts';
// For entry points.
export { withTransport } from './with-transport.ts';
