/** What a notice is about. The first four ask something of an open hold, and are void once it is not open any more. */
export const NOTICE_KINDS = [
  'hold.opened',
  'hold.edited',
  'hold.escalated',
  'hold.expiring',
  'break_glass.used',
  'break_glass.review_lapsed',
] as const
export type NoticeKind = (typeof NOTICE_KINDS)[number]

export const endsWithHold = (kind: NoticeKind): boolean => kind.startsWith('hold.')
