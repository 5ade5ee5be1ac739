// The clients of pages and workers: the core's, with this runtime's transport where none is given.
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
import { browserTransport } from './transport.ts';

export class Consumer<K = Uint8Array, V = Uint8Array> extends CoreConsumer<K, V> {
  constructor(config?: ConsumerConfig<K, V>) {
    super(withTransport(config, browserTransport));
  }
}
export class Producer extends CoreProducer {
  constructor(config?: ProducerConfig) {
    super(withTransport(config, browserTransport));
  }
}
export class Admin extends CoreAdmin {
  constructor(config?: ClientConfig) {
    super(withTransport(config, browserTransport));
  }
}
/** What it makes are the classes of this module. */
export class Client extends CoreClient {
  constructor(config?: ClientConfig) {
    super(withTransport(config, browserTransport), { Consumer, Producer, Admin });
  }
}
