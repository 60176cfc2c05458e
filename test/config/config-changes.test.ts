// AlterConfigs and IncrementalAlterConfigs: what overrides become. The expected outcomes are those of Kafka 4.3.1.

import { expect } from 'chai';
import { applyIncremental, configOperation, replaceOverrides } from '../../src/actors/admin/config-changes.ts';
import { topicConfigDefinition } from '../../src/actors/admin/topic-config-definitions.ts';
import { ErrorCode } from '../../src/protocol/errors.ts';

type Change = [operation: keyof typeof configOperation, name: string, value?: string | null];

function change(overrides: Record<string, string>, ...changes: Change[]) {
  const asked = changes.map(([operation, name, value = null]) => ({
    name,
    configOperation: configOperation[operation],
    value,
  }));
  const outcome = applyIncremental(new Map(Object.entries(overrides)), asked, topicConfigDefinition);
  return outcome instanceof Map ? Object.fromEntries(outcome) : outcome;
}

describe('incremental changes of configs', () => {
  it('set and delete', () => {
    const changed = change(
      { 'retention.ms': '1', 'segment.ms': '2' },
      ['set', 'retention.ms', '5'],
      ['delete', 'segment.ms'],
    );
    expect(changed).to.deep.equal({ 'retention.ms': '5' });
  });

  it('delete what is not set, even what does not exist', () => {
    expect(change({}, ['delete', 'foo'])).to.deep.equal({});
  });

  it('leave the overrides they started from as they were', () => {
    const before = new Map([['retention.ms', '1']]);
    applyIncremental(before, [{ name: 'retention.ms', configOperation: 0, value: '2' }], topicConfigDefinition);
    expect(before.get('retention.ms')).to.equal('1');
  });

  it('append to the default where nothing is set, each item once', () => {
    expect(change({}, ['append', 'cleanup.policy', 'compact'])).to.deep.equal({ 'cleanup.policy': 'delete,compact' });
    expect(change({ 'cleanup.policy': 'compact' }, ['append', 'cleanup.policy', 'compact'])).to.deep.equal({
      'cleanup.policy': 'compact',
    });
    expect(change({ 'cleanup.policy': '' }, ['append', 'cleanup.policy', 'compact,delete'])).to.deep.equal({
      'cleanup.policy': 'compact,delete',
    });
  });

  it('subtract down to an empty list', () => {
    const both = { 'cleanup.policy': 'compact,delete' };
    expect(change(both, ['subtract', 'cleanup.policy', 'compact'])).to.deep.equal({ 'cleanup.policy': 'delete' });
    expect(change(both, ['subtract', 'cleanup.policy', 'x,delete,compact'])).to.deep.equal({ 'cleanup.policy': '' });
    expect(change({}, ['subtract', 'cleanup.policy', 'delete'])).to.deep.equal({ 'cleanup.policy': '' });
  });

  it('append to and subtract from lists only', () => {
    expect(change({}, ['append', 'retention.ms', '5'])).to.deep.equal({
      errorCode: ErrorCode.INVALID_CONFIG,
      errorMessage: "Can't APPEND to key retention.ms because its type is not LIST.",
    });
    expect(change({}, ['subtract', 'foo', '5'])).to.deep.equal({
      errorCode: ErrorCode.INVALID_CONFIG,
      errorMessage: "Can't SUBTRACT to key foo because its type is not LIST.",
    });
  });

  it('are refused when a config occurs twice, has no value, or is asked something unknown', () => {
    expect(change({}, ['set', 'retention.ms', '1'], ['delete', 'retention.ms'])).to.deep.equal({
      errorCode: ErrorCode.INVALID_REQUEST,
      errorMessage: 'Error due to duplicate config keys',
    });
    expect(change({}, ['set', 'retention.ms'], ['append', 'cleanup.policy'], ['delete', 'segment.ms'])).to.deep.equal({
      errorCode: ErrorCode.INVALID_REQUEST,
      errorMessage: 'Null value not supported for : retention.ms, cleanup.policy',
    });
    const unknown = applyIncremental(new Map(), [{ name: 'a', configOperation: 9, value: '' }], topicConfigDefinition);
    expect(unknown).to.have.property('errorCode', ErrorCode.INVALID_REQUEST);
  });
});

describe('whole changes of configs', () => {
  it('replace everything', () => {
    const replaced = replaceOverrides([{ name: 'retention.ms', value: '5' }]);
    expect(replaced).to.deep.equal(new Map([['retention.ms', '5']]));
  });

  it('are refused when a config occurs twice or has no value', () => {
    const twice = [
      { name: 'a', value: '1' },
      { name: 'a', value: '2' },
    ];
    expect(replaceOverrides(twice)).to.have.property('errorMessage', 'Error due to duplicate config keys');
    expect(replaceOverrides([{ name: 'a', value: null }])).to.have.property(
      'errorMessage',
      'Null value not supported for : a',
    );
  });
});
