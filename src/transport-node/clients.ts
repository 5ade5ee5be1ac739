// The clients of Node: the core's, with this runtime's transport where none is given.
import {
  type ClientConfig,
  type ConsumerConfig,
  Admin as CoreAdmin,
  Client as CoreClient,
  Consumer as CoreConsumer,
  Producer as CoreProducer,
  type ProducerConfig,
  withTransport,
} from '../core/index.ts';
import { nodeTransport } from './transport.ts';

export class Consumer<K = Uint8Array, V = Uint8Array> extends CoreConsumer<K, V> {
  constructor(config?: ConsumerConfig<K, V>) {
    super(withTransport(config, nodeTransport));
  }
}
export class Producer extends CoreProducer {
  constructor(config?: ProducerConfig) {
    super(withTransport(config, nodeTransport));
  }
}
export class Admin extends CoreAdmin {
  constructor(config?: ClientConfig) {
    super(withTransport(config, nodeTransport));
  }
}
/** What it makes are the classes of this module. */
export class Client extends CoreClient {
  constructor(config?: ClientConfig) {
    super(withTransport(config, nodeTransport), { Consumer, Producer, Admin });
  }
}
