// The entry point for Node.
export * from '../core/public.ts';
export { Admin, Client, Consumer, Producer } from './clients.ts';
export { type NodeTransportOptions, nodeTransport } from './transport.ts';
