// The isomorphic entry point as Node sees it; package.json gives bundlers and browsers theirs. What both have is declared here, without a type of either.
export * from './core/public.ts';
export { Admin, Client, Consumer, Producer } from './transport-node/clients.ts';
