// The member as a tab runs it: its settings come in the page's query.
import { type MemberSettings, type RunningMember, runMember } from './member.ts';

declare global {
  interface Window {
    readonly member: Promise<RunningMember>;
  }
}
const settings: MemberSettings = JSON.parse(new URLSearchParams(location.search).get('settings') ?? '{}');
Object.assign(window, { member: runMember(settings) });
