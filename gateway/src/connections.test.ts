import { describe, expect, it } from 'vitest';
import { Connections } from './connections.ts';

const limits = { maxConnections: 3, maxConnectionsPerAddress: 2 };

describe('Connections', () => {
  it('refuses one more of an address that has its limit, and takes others', () => {
    const connections = new Connections<object>(limits);
    connections.add({}, 'a');
    expect(connections.refusal('a')).toBeUndefined();
    connections.add({}, 'a');
    expect(connections.refusal('a')).toBe('this address has its limit of 2 connections');
    expect(connections.refusal('b')).toBeUndefined();
  });
  it('refuses everyone when it has its limit in all', () => {
    const connections = new Connections<object>(limits);
    for (const address of ['a', 'b', 'c']) connections.add({}, address);
    expect(connections.refusal('d')).toBe('the gateway has its limit of 3 connections');
  });
  it('has room again when a connection goes, which counts once', () => {
    const connections = new Connections<object>(limits);
    const [first, second] = [{}, {}];
    connections.add(first, 'a');
    connections.add(second, 'a');
    connections.delete(first);
    connections.delete(first);
    expect(connections.size).toBe(1);
    expect(connections.refusal('a')).toBeUndefined();
    connections.add({}, 'a');
    expect(connections.refusal('a')).toBeDefined();
  });
  it('says when the last one has gone', async () => {
    const connections = new Connections<object>(limits);
    await connections.whenEmpty(1_000_000);
    const only = {};
    connections.add(only, 'a');
    const empty = connections.whenEmpty(1_000_000);
    connections.delete(only);
    await empty;
  });
  it('waits no longer than it was told', async () => {
    const connections = new Connections<object>(limits);
    connections.add({}, 'a');
    await connections.whenEmpty(1);
    expect(connections.size).toBe(1);
  });
});
