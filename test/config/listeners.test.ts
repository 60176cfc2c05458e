// What listeners and advertised.listeners may say, and what clients are told in the end.

import { expect } from 'chai';
import { advertisedWithPorts, brokerConfigWith, printListeners } from '../../src/config.ts';

const map = { 'listener.security.protocol.map': 'A:PLAINTEXT,B:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL' };
const withListeners = (listeners: string, advertised?: string) =>
  brokerConfigWith({ ...map, listeners, ...(advertised === undefined ? {} : { 'advertised.listeners': advertised }) });

describe('listeners', () => {
  const right: [given: string, read: string][] = [
    ['PLAINTEXT://:9092', 'PLAINTEXT://:9092'],
    ['plaintext://localhost:0', 'PLAINTEXT://localhost:0'],
    ['A://10.0.0.1:9092, B://host-1.example.com:9093', 'A://10.0.0.1:9092,B://host-1.example.com:9093'],
    ['A://[::1]:9092', 'A://[::1]:9092'],
    ['A://[fe80::1%eth0]:65535', 'A://[fe80::1%eth0]:65535'],
    ['A://:0,B://:0', 'A://:0,B://:0'],
    ['A://0.0.0.0:9092,B://[::]:9092', 'A://0.0.0.0:9092,B://[::]:9092'],
    ['A://10.0.0.1:9092,B://10.0.0.2:9092', 'A://10.0.0.1:9092,B://10.0.0.2:9092'],
  ];
  for (const [given, read] of right) {
    it(`take ${given}`, () => expect(printListeners(withListeners(given).listeners)).to.equal(read));
  }

  const wrong: [given: string, because: string][] = [
    ['', 'a listener is missing'],
    ['A://:1,', 'a listener is missing'],
    ['9092', "'9092' is not a listener"],
    ['A://host', "'A://host' is not a listener"],
    ['A://::1:9092', "'A://::1:9092' is not a listener"],
    ['A://:65536', "the port of 'A://:65536' is above 65535"],
    ['A://:1,a://:2', 'A occurs twice'],
    ['A://:9092,B://:9092', 'listeners A and B share port 9092'],
    ['A://10.0.0.1:9092,B://0.0.0.0:9092', 'listeners A and B share port 9092'],
    ['SSL://:9093', 'only PLAINTEXT is served'],
    ['C://:9092', 'add C:PLAINTEXT to listener.security.protocol.map'],
  ];
  for (const [given, because] of wrong) {
    it(`refuse ${given || 'nothing'}`, () => expect(() => withListeners(given)).to.throw(because));
  }

  it('need one that is not for controllers', () => {
    const options = { listeners: 'A://:1', 'controller.listener.names': 'a', ...map };
    expect(() => brokerConfigWith(options)).to.throw('at least one listener besides those of controllers');
  });
});

describe('advertised listeners', () => {
  it('are the listeners, with localhost for those on every address', () => {
    const { advertisedListeners } = withListeners('A://:1,B://[::]:2,PLAINTEXT://10.0.0.1:3');
    expect(printListeners(advertisedListeners)).to.equal('A://localhost:1,B://localhost:2,PLAINTEXT://10.0.0.1:3');
  });

  it('get the ports that were found once the sockets are bound', () => {
    const { advertisedListeners } = withListeners('A://:0,B://host:5');
    const bound = advertisedWithPorts(advertisedListeners, new Map([['A', 40001]]));
    expect(printListeners(bound)).to.equal('A://localhost:40001,B://host:5');
    expect(() => advertisedWithPorts(advertisedListeners, new Map())).to.throw('A is not bound');
  });

  it('may share an address, and may be fewer than the listeners', () => {
    const { advertisedListeners } = withListeners('A://:1,B://:2', 'A://broker.example.com:80');
    expect(printListeners(advertisedListeners)).to.equal('A://broker.example.com:80');
  });

  const wrong: [given: string, because: string][] = [
    ['', 'a listener is missing'],
    ['A://0.0.0.0:9092', 'A://0.0.0.0:9092 is no address that a client can connect to'],
    ['A://[::]:9092', 'A://[::]:9092 is no address that a client can connect to'],
    ['A://:9092', 'A://:9092 is no address that a client can connect to'],
    ['A://host:0', 'A://host:0 has no port that a client can connect to'],
    ['B://host:1', 'listener B is not among listeners'],
  ];
  for (const [given, because] of wrong) {
    it(`refuse ${given || 'nothing'}`, () => expect(() => withListeners('A://:9092', given)).to.throw(because));
  }
});
