// A small file system for tests of full disks, where this machine lets us mount one.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [MOUNT, UNMOUNT] = ['mount', 'umount'];

export const canMount: boolean = (() => {
  if (process.platform !== 'linux') return false;
  const probe = mkdtempSync(join(tmpdir(), 'dlog-mount-'));
  const { status } = spawnSync(MOUNT, ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', probe], { stdio: 'ignore' });
  if (status === 0) spawnSync(UNMOUNT, [probe]);
  rmSync(probe, { recursive: true, force: true });
  return status === 0;
})();

/** `at` is made; what is mounted there must be unmounted before it can be removed. */
export function mountDisk(at: string, mebibytes: number): void {
  mkdirSync(at);
  execFileSync(MOUNT, ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', at]);
}
export function unmountDisk(at: string): void {
  spawnSync(UNMOUNT, ['-l', at]);
}
