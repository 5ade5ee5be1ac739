// The entry point for pages and workers; bundlers take it for 'distributedlog' too.
export * from '../core/public.ts';
export { Admin, Client, Consumer, Producer } from './clients.ts';
export { browserTransport } from './transport.ts';
