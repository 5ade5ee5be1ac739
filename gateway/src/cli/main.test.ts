// What the command line says without a gateway, in this process.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { run } from './main.ts';

let stdout = '';
let stderr = '';
beforeEach(() => {
  [stdout, stderr] = ['', ''];
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    stdout += String(chunk);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    stderr += String(chunk);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

describe('dlog', () => {
  it.each([
    '',
    'topics',
    'topics list',
    'topics create',
    'topics delete',
    'topics describe',
    'produce',
    'consume',
    'groups',
    'groups list',
    'groups describe',
    'groups reset',
    'groups delete',
  ])('explains "%s" with examples', async (command) => {
    expect(await run([...command.split(' ').filter(Boolean), '--help'])).toBe(0);
    expect(stdout).toMatch(/Usage: dlog /);
    expect(stdout).toMatch(/Examples:\n {2}\S/);
    expect(stderr).toBe('');
  });
  it.each([
    [
      ['consume', 't', '--folow'],
      /^dlog consume: unknown option '--folow' \(Did you mean --follow\?\) \(see dlog consume --help\)/,
    ],
    [['consume'], /^dlog consume: missing required argument 'topics'/],
    [['consume', 't', '--from', 'soon'], /must be earliest, latest, an offset/],
    [['consume', 't', '--max', '0'], /whole number of at least 1/],
    [['consume', 't', '--partition', 'a'], /partition numbers with commas/],
    [['consume', 't', '--json', '--format', '%v'], /exclude each other/],
    [['consume', 't', '--group', 'g', '--partition', '0'], /exclude each other/],
    [['consume', 't', '--format', '%y'], /unknown field %y/],
    [['produce', 't', '--compression', 'zip'], /Allowed choices are none, gzip/],
    [['produce', 't', '--header', 'x'], /must be key=value/],
    [['produce', 't', 'u'], /too many arguments/],
    [['topics', 'create', 't', '--config', 'x'], /must be key=value/],
    [['topics', 'list', '--timeout', 'soon'], /number of seconds/],
    [['groups', 'reset', 'g'], /^dlog groups reset: --to is missing: earliest, latest/],
    [['groups', 'reset', 'g', '--to', 'latest', '--shift-by', '1'], /exclude each other/],
    [['groups', 'reset', 'g', '--to', 'soon'], /must be earliest, latest, an offset/],
    [['groups', 'reset', 'g', '--shift-by', '1.5'], /must be a whole number\./],
    [['groups', 'reset', 'g', '--to', 'latest', '--topic', 't:x'], /such as clicks or clicks:0,2/],
    [['groups', 'reset'], /missing required argument 'group'/],
    [['groups', 'delete'], /missing required argument 'groups'/],
    [['konsume'], /^dlog: unknown command 'konsume' \(Did you mean consume\?\) \(see dlog --help\)/],
    [['topics', 'make'], /^dlog topics.*: (unknown command 'make'|too many arguments)/],
  ])('tells that %j is wrong in one line with exit code 2', async (args, message) => {
    expect(await run(args)).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stdout).toBe('');
  });
  it('explains itself on stderr with exit code 2 when called without a command', async () => {
    expect(await run([])).toBe(2);
    expect(stderr).toMatch(/^Usage: dlog/);
  });
  it('prints its version', async () => {
    expect(await run(['--version'])).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
