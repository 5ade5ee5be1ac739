// Installs packages of the operating system, where its package manager is one we know. Knows nothing of what they are for.
import { existsSync } from 'node:fs';
import { run } from './steps.mjs';

const MANAGERS = {
  apt: {
    tool: '/usr/bin/apt-get',
    before: [['apt-get', 'update', '-qq']],
    install: ['apt-get', 'install', '-y', '-qq'],
  },
  dnf: { tool: '/usr/bin/dnf', before: [], install: ['dnf', 'install', '-y'] },
  apk: { tool: '/sbin/apk', before: [], install: ['apk', 'add'] },
  pacman: { tool: '/usr/bin/pacman', before: [], install: ['pacman', '-S', '--noconfirm'] },
};
const sudo = (command) => (process.getuid?.() === 0 ? command : ['sudo', '-n', ...command]);

/** The name of this machine's package manager, if we know it. */
export const packageManager = () => Object.keys(MANAGERS).find((name) => existsSync(MANAGERS[name].tool));

/** Rejects with StepError where the manager does. */
export async function installPackages(manager, packages) {
  const { before, install } = MANAGERS[manager];
  for (const command of [...before, [...install, ...packages]]) {
    const [tool, ...args] = sudo(command);
    await run(tool, args, { quiet: true, env: { DEBIAN_FRONTEND: 'noninteractive' } });
  }
}
