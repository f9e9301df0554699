/** Appends a member's name to a JSON Pointer (RFC 6901 §3). */
export function pointerTo(parent: string, member: string): string {
  return `${parent}/${member.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}
