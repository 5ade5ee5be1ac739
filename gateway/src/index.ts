// The gateway as a library: it serves a log to WebSocket clients.
export type { Limits, Log } from 'distributedlog/server';
export { type EmbeddedLogOptions, embeddedLog } from './backends/embedded/index.ts';
export { type KafkaLogOptions, type KafkaSasl, type KafkaTls, kafkaLog } from './backends/kafka/index.ts';
export { type Gateway, startGateway } from './gateway.ts';
export type { GatewayOptions, Logger } from './options.ts';
