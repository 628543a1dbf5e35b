const KEY = 'gatehouse.notice'

/** Keeps the secret of a notice's link for as long as this tab is at the sign-in: it stands behind `#`, which no server log and no referrer ever sees. */
export function keepNotice(): void {
  const secret = location.pathname === '/notice' ? location.hash.slice(1) : ''
  if (secret !== '') sessionStorage.setItem(KEY, secret)
}

/** Whether somebody is to come to a notice once they have signed in. */
export const noticeWaits = (): boolean => sessionStorage.getItem(KEY) !== null

/** The kept secret, and forgets it. */
export function takeNotice(): string | null {
  const secret = sessionStorage.getItem(KEY)
  sessionStorage.removeItem(KEY)
  return secret
}
