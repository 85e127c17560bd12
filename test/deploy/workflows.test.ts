// The workflows of GitHub Actions: they call what exists, pin what is foreign, and may do no more than they must.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';

interface Job {
  readonly uses?: string;
  readonly needs?: string | readonly string[];
  readonly permissions?: Readonly<Record<string, string>>;
  readonly 'timeout-minutes'?: number;
  readonly steps?: readonly { readonly uses?: string; readonly run?: string }[];
}

interface Workflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

const root = join(import.meta.dirname, '..', '..');
const textOf = (path: string) => readFileSync(join(root, path), 'utf8');
const targets = [...textOf('Makefile').matchAll(/^\.PHONY: (\S+)/gm)].map(([, name = '']) => name);
const scripts = Object.keys(JSON.parse(textOf('package.json')).scripts);
const workflows = globSync('.github/workflows/*.yml', { cwd: root }).toSorted();

test('there is one for every change and one for releases', () => {
  expect(workflows.map((path) => path.split('/').at(-1))).toEqual(['ci.yml', 'release.yml']);
});

describe.each(workflows)('%s', (path) => {
  const text = textOf(path);
  const { jobs, permissions }: Workflow = parse(text);
  const steps = Object.values(jobs).flatMap((job) => job.steps ?? []);
  const commands = steps.flatMap(({ run = '' }) => run.split('\n'));

  test('calls targets, scripts and files that exist', () => {
    const named = (pattern: RegExp) => commands.flatMap((line) => [...line.matchAll(pattern)].map(([, name]) => name));
    expect(named(/\bmake (?:--\S+ )*([a-z-]+)/g).filter((name) => !targets.includes(name ?? ''))).toEqual([]);
    expect(named(/\bnpm run (?:--\S+ )*([a-z:-]+)/g).filter((name) => !scripts.includes(name ?? ''))).toEqual([]);
    const files = named(/(?:^|\s)(\.ci\/\S+|charts\/[^\s/]+|deploy\/\S+)/g);
    expect(files.filter((file) => !existsSync(join(root, file ?? '')))).toEqual([]);
    for (const { uses } of Object.values(jobs)) expect(uses === undefined || existsSync(join(root, uses))).toBe(true);
  });

  test('pins every foreign action by a commit, with the version beside it', () => {
    const uses = [...text.matchAll(/^\s*(?:- )?uses: (.*)$/gm)].map(([, what = '']) => what);
    expect(uses.length).toBeGreaterThan(0);
    expect(uses.filter((what) => !/^\.\/|^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(what))).toEqual([]);
  });

  test('may read the sources, and write only where a release is published', () => {
    expect(permissions).toEqual({ contents: 'read' });
    const writing = Object.entries(jobs).filter(([, job]) => Object.values(job.permissions ?? {}).includes('write'));
    expect(writing.map(([name]) => name)).toEqual(path.endsWith('release.yml') ? ['image', 'publish'] : []);
  });

  test('ends when something hangs, and waits for jobs that exist', () => {
    for (const [name, job] of Object.entries(jobs)) {
      expect(job.uses !== undefined || (job['timeout-minutes'] ?? 0) > 0, name).toBe(true);
      for (const needed of [job.needs ?? []].flat()) expect(jobs).toHaveProperty(needed);
    }
  });
});

test('the tests run in the version of Node.js that the images have', () => {
  const [, version] = /ARG NODE_VERSION=(\S+)/.exec(textOf('deploy/Containerfile')) ?? [];
  expect(textOf('.github/workflows/ci.yml')).toContain(`image: docker.io/library/node:${version}-bookworm\n`);
});
