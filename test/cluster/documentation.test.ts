// docs/metrics.md is what its generator makes of the tables now; and what the guides for operators and the alert rules name
// exists: metrics, options, log lines, the words of errors.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { content, file } from '../../scripts/docs-metrics.ts';
import { topicConfigNames } from '../../src/actors/admin/topic-config-definitions.ts';
import { optionNames } from '../../src/config/broker-options.ts';
import { metrics } from '../../src/events.ts';

const root = join(import.meta.dirname, '..', '..');
const guides = ['docs/operations.md', 'docs/troubleshooting.md'] as const;
const alerts = 'deploy/prometheus/alerts.yml';
/** Dotted names of others: of Kafka's clients, of NATS, of OpenTelemetry. */
const namesOfOthers = new Set([
  ...['session.timeout.ms', 'max.poll.interval.ms', 'max.poll.records', 'auto.offset.reset', 'group.instance.id'],
  ...['transactional.id', 'linger.ms', 'batch.size', 'security.protocol'],
]);

function textOf(path: string): Promise<string> {
  return readFile(join(root, path), 'utf8');
}

/** Code in the text of a guide, blocks of it left out. */
function codeSpans(guide: string): string[] {
  const text = guide.replaceAll(/^```.*?^```$/gms, '');
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code as string);
}

async function sources(): Promise<string> {
  const texts: string[] = [];
  for (const folder of ['src', 'cluster']) {
    for (const path of await readdir(join(root, folder), { recursive: true })) {
      if (path.endsWith('.ts')) texts.push(await textOf(join(folder, path)));
    }
  }
  return texts.join('\n');
}

describe(file, () => {
  it('is up to date (npm run docs writes it anew)', async () => {
    expect((await textOf(file)) === content(), 'npm run docs').to.equal(true);
  });
});

for (const path of [...guides, alerts]) {
  describe(path, () => {
    it('names metrics that there are', async () => {
      const named = [...(await textOf(path)).matchAll(/\bsargasso_\w+/g)].map(([name]) =>
        name.replace(/_(count|sum|bucket)$/, ''),
      );
      expect(named).not.to.be.empty;
      expect(named.filter((name) => !(name in metrics))).to.deep.equal([]);
    });
  });
}

for (const path of guides) {
  describe(path, () => {
    it('names options that there are', async () => {
      const known = new Set([...optionNames, ...topicConfigNames]);
      const source = await sources();
      const unknown = codeSpans(await textOf(path))
        .map((code) => code.split('=')[0] as string)
        .filter((name) => /^[a-z]+(\.[a-z]+)+$/.test(name) && !known.has(name) && !namesOfOthers.has(name))
        .filter((name) => !/\.(conf|yml|md|ts)$/.test(name) && !source.includes(`'${name}'`));
      expect(unknown).to.deep.equal([]);
    });

    it('quotes log lines that there are, at their levels', async () => {
      const source = await sources();
      const lines = codeSpans(await textOf(path)).flatMap((code) => {
        const line = /^(DEBUG|INFO|WARN|ERROR) (.+)$/s.exec(code);
        return line === null ? [] : [{ level: line[1]!.toLowerCase(), event: line[2]!.replaceAll(/\s+/g, ' ') }];
      });
      expect(lines).not.to.be.empty;
      const wrong = lines.filter(({ level, event }) => {
        const calls = source.matchAll(new RegExp(`log\\(([^;]{0,80}?)'${escaped(event)}'`, 'g'));
        // A level that is a variable is not looked into.
        return ![...calls].some(([, levels]) => levels!.includes(`'${level}'`) || levels!.includes('level'));
      });
      expect(wrong).to.deep.equal([]);
    });

    it('leads to headings that there are', async () => {
      const text = await textOf(path);
      const links = [...text.matchAll(/\]\(([\w./-]*\.md)?#([\w-]+)\)/g)];
      expect(links).not.to.be.empty;
      for (const [link, target, anchor] of links) {
        const there = target === undefined ? text : await textOf(join('docs', target));
        expect(anchorsOf(there), link).to.include(anchor);
      }
    });

    it('quotes words that nodes say', async () => {
      const source = await sources();
      const quoted = codeSpans(await textOf(path)).filter((code) => /^".*"$/s.test(code));
      const parts = quoted.flatMap((code) => code.slice(1, -1).replaceAll(/\s+/g, ' ').split('…'));
      // What stands between two values, without the punctuation that joins them.
      const words = parts
        .map((part) => part.replaceAll(/^[\s:;,.()'"]+|[\s:;,.()'"]+$/g, ''))
        .filter((part) => part !== '');
      expect(words.filter((part) => !source.includes(part))).to.deep.equal([]);
    });
  });
}

describe(alerts, () => {
  it('has no alert that docs/troubleshooting.md names and no rule has', async () => {
    const rules = new Set([...(await textOf(alerts)).matchAll(/- alert: (\w+)/g)].map(([, name]) => name as string));
    const named = codeSpans(await textOf('docs/troubleshooting.md')).filter((code) => /^Sargasso[A-Z]\w+$/.test(code));
    expect(named).not.to.be.empty;
    expect(named.filter((name) => !rules.has(name))).to.deep.equal([]);
  });

  it('is loaded by Prometheus of docker-compose.yml', async () => {
    expect(await textOf('deploy/prometheus/prometheus.yml')).to.include('- /etc/prometheus/alerts.yml');
    expect(await textOf('docker-compose.yml')).to.include(`./${alerts}:/etc/prometheus/alerts.yml:ro`);
  });
});

/** As GitHub makes them of headings. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
