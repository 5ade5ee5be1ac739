// The member as a Node process runs it: its settings come as its argument, 'leave' as a message of its parent.
import { type MemberSettings, runMember } from './member.ts';

const settings: MemberSettings = JSON.parse(process.argv[2] ?? '{}');
const running = runMember(settings);
process.on('message', () => {
  void running.then((member) => member.leave()).then(() => process.exit(0));
});
// A parent that is gone wants no members.
process.on('disconnect', () => process.exit(1));
