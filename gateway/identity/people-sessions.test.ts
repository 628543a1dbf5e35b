import { beforeEach, describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import { PeopleSessions } from './people-sessions.ts'

let now = 0
let sessions: PeopleSessions
beforeEach(() => {
  now = 1_000_000
  sessions = new PeopleSessions({ now: () => instant(now) })
})

const refused = (link: string): unknown => {
  try {
    return sessions.signIn(link)
  } catch (error) {
    return error instanceof GatewayError ? error.code : error
  }
}

describe('a link', () => {
  test.each([
    ['at once', 0, 'maria'],
    ['at its last moment', LIMITS.signInLinkLifeMs - 1, 'maria'],
    ['too late', LIMITS.signInLinkLifeMs, 'UNAUTHENTICATED'],
  ])('%s', (_title, afterMs, expected) => {
    const link = sessions.link('maria')
    now += afterMs
    const answer = refused(link)
    expect(typeof answer === 'object' && answer !== null && 'person' in answer ? answer.person : answer).toBe(expected)
  })

  test('works once, and a guess never', () => {
    const link = sessions.link('maria')
    sessions.signIn(link)
    for (const guess of [link, '', `${link}x`, 'maria']) expect(refused(guess)).toBe('UNAUTHENTICATED')
  })

  test('the oldest of too many is gone', () => {
    const links = Array.from({ length: LIMITS.signInLinksMax + 1 }, () => sessions.link('maria'))
    expect(refused(links[0] ?? '')).toBe('UNAUTHENTICATED')
    expect(refused(links[1] ?? '')).toMatchObject({ person: 'maria' })
  })
})

describe('a session', () => {
  const open = (person = 'maria'): string => sessions.signIn(sessions.link(person)).secret

  test('ends for want of use, and looks that are no use do not keep it', () => {
    const secret = open()
    now += LIMITS.sessionIdleMsMax - 1
    expect(sessions.find(secret)).toBe('maria')
    now += LIMITS.sessionIdleMsMax - 1
    expect(sessions.find(secret, false)).toBe('maria')
    now += 1
    expect(sessions.find(secret)).toBeUndefined()
  })

  test('ends after its life, however much it is used', () => {
    const secret = open()
    for (let used = 0; used + 1_000_000 < LIMITS.sessionLifeMs; used += 1_000_000) {
      now += 1_000_000
      expect(sessions.find(secret)).toBe('maria')
    }
    now += 1_000_000
    expect(sessions.find(secret)).toBeUndefined()
  })

  test('ends by signing out, alone', () => {
    const [first, second] = [open(), open()]
    expect(sessions.signOut(first)).toBe('maria')
    expect(sessions.signOut(first)).toBeUndefined()
    expect(sessions.find(first)).toBeUndefined()
    expect(sessions.find(second)).toBe('maria')
  })

  test('a person has so many, and loses the oldest; others keep theirs', () => {
    const raj = open('raj')
    const mine = Array.from({ length: LIMITS.sessionsPerPersonMax + 1 }, () => open())
    expect(mine.map((secret) => sessions.find(secret) !== undefined)).toEqual([false, ...mine.slice(1).map(() => true)])
    expect(sessions.find(raj)).toBe('raj')
  })
})
