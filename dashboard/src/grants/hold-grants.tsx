import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { ask } from '../gateway.ts'
import type { HoldCardData, HoldState } from '../inbox/inbox-data.ts'
import { mayChange, useMe } from '../me.ts'
import { texts } from '../texts.ts'
import { announce } from '../ui/announcer.ts'
import { Confirm } from '../ui/confirm.tsx'
import { moment } from '../words.ts'
import { GrantTerms } from './grant-terms.tsx'
import { BREAK, standingQuery, WITHDRAW } from './grants-data.ts'
import { shownPointer } from './leaves.ts'
import { StandingDialog } from './standing-dialog.tsx'
import './grants.css'

const words = texts.grants

/** Goes on with the hold that took this one's place. */
function useFollow() {
  const navigate = useNavigate()
  const client = useQueryClient()
  return async (id: string): Promise<void> => {
    await client.invalidateQueries({ queryKey: ['inbox'] })
    void navigate({ to: '/inbox/$holdId', params: { holdId: id }, replace: true })
  }
}

/** The button beside the approval, where more may be given than the one call. */
export function GiveMore({ card, next }: { card: HoldCardData; next: () => void }) {
  const { data } = useQuery(standingQuery(card.id, card.digest))
  const [giving, setGiving] = useState(false)
  const follow = useFollow()
  const client = useQueryClient()
  if (!data?.standingAllowed || data.standing || card.input === null) return null
  return (
    <>
      <button type="button" className="button decide-more" onClick={() => setGiving(true)}>
        {words.give.open}
      </button>
      {giving && (
        <StandingDialog
          card={card}
          allowed={data.standingAllowed}
          onClose={() => setGiving(false)}
          onDone={({ id, state }) => {
            setGiving(false)
            announce(state === 'open' ? words.give.proposed : words.give.done)
            if (state === 'open') void follow(id)
            else {
              void client.invalidateQueries({ queryKey: ['inbox'] })
              next()
            }
          }}
        />
      )}
    </>
  )
}

/** What an approval gives beside the one call, in full: whoever votes, votes on this. */
export function CarriedGrant({ card, state }: { card: HoldCardData; state: HoldState }) {
  const { data } = useQuery(standingQuery(card.id, card.digest))
  const me = useMe()
  const [withdrawing, setWithdrawing] = useState(false)
  const follow = useFollow()
  if (data?.brokenGlass)
    return (
      <div className="notice notice-warn">
        <strong>{words.broken.by(data.brokenGlass.by)}</strong>
        <p>{data.brokenGlass.reason}</p>
      </div>
    )
  if (!data?.standing) return null
  const { by, maxUses, until, totals, arguments: constraints } = data.standing
  return (
    <section className="block notice notice-warn" aria-labelledby="hold-grant">
      <h3 id="hold-grant">{words.carried.title(by)}</h3>
      <p>
        {words.carried.what(
          maxUses,
          totals.map(({ of, most }) => words.give.upTo(shownPointer(of), most)).join(words.give.and),
          moment(until),
        )}
      </p>
      <GrantTerms terms={constraints} />
      {state.state === 'open' && state.ineligible === null && mayChange(me) && (
        <button type="button" className="button" onClick={() => setWithdrawing(true)}>
          {words.carried.withdraw}
        </button>
      )}
      {withdrawing && (
        <Confirm
          title={words.carried.withdraw}
          action={words.carried.withdraw}
          reason={texts.decide.comment}
          onClose={() => setWithdrawing(false)}
          run={async (comment) => {
            const { withdrawStanding } = await ask(WITHDRAW, { id: card.id, digest: card.digest, comment })
            await follow(withdrawStanding.id)
          }}
        >
          <p>{words.carried.withdrawWhy}</p>
        </Confirm>
      )}
    </section>
  )
}

/** For members of the incident group: the approval of one person. */
export function BreakTheGlass({ card, state }: { card: HoldCardData; state: HoldState }) {
  const { data } = useQuery(standingQuery(card.id, card.digest))
  const me = useMe()
  const client = useQueryClient()
  const [breaking, setBreaking] = useState(false)
  if (state.state !== 'open' || !data || data.breakGlassRefused !== null || !mayChange(me)) return null
  return (
    <>
      <button type="button" className="button button-bad" onClick={() => setBreaking(true)}>
        {words.broken.open}
      </button>
      {breaking && (
        <Confirm
          title={words.broken.title}
          action={words.broken.action}
          reason={words.broken.reason}
          needsReason
          danger
          onClose={() => setBreaking(false)}
          run={async (reason) => {
            await ask(BREAK, { id: card.id, digest: card.digest, reason: reason ?? '' })
            announce(words.broken.done)
            await client.invalidateQueries({ queryKey: ['inbox-standing', card.id] })
            await client.invalidateQueries({ queryKey: ['inbox'] })
          }}
        >
          <p>{words.broken.what}</p>
        </Confirm>
      )}
    </>
  )
}
