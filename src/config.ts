// The broker's configuration: what others import. The table itself is in src/config/options/, a row an option.

export {
  type BrokerConfig,
  brokerConfigWith,
  buildBrokerConfig,
  type ConfigLayers,
  type ConfigProblem,
} from './config/broker-config.ts';
export {
  type AdminListener,
  advertisedWithPorts,
  type Listener,
  printAdminListener,
  printListener,
  printListeners,
} from './config/listeners.ts';
export { type LoadedConfig, loadConfig } from './config/load.ts';
