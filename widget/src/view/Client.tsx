// The card of a client: what brought them first, then visits, bookings, what is unpaid.

import { useEffect } from 'preact/hooks'
import { showCard } from '../acts'
import * as f from '../format'
import * as s from '../state'
import type { Advert, Booking, Card } from '../wire'
import { isKey } from '../words'

/** `of`: a subject or a phone. */
export function Client({ of, advert }: { of: string; advert?: Advert }) {
  useEffect(() => {
    if (!s.cards.value[of]) void showCard(of)
  }, [of])
  const shown = s.cards.value[of]
  const card = shown?.card
  if (!card) {
    return (
      <div class="client">
        {advert && <Brought brought={{ ...advert, by: 'event' }} />}
        <p class="faint">{shown?.failed ? s.t('card_failed') : s.t('card_loading')}</p>
      </div>
    )
  }
  return (
    <div class="client">
      <Brought brought={card.brought_by ?? (advert ? { ...advert, by: 'event' } : null)} />
      {card.known ? <Facts card={card} /> : <p class="tag new">{s.t('new_client')}</p>}
      <p class="faint small age" data-fresh={card.fresh}>
        {age(card, !!shown?.asking)}
      </p>
    </div>
  )
}

function Brought({ brought }: { brought: Card['brought_by'] }) {
  if (!brought) return <p class="brought none">{s.t('no_advert')}</p>
  const page = f.safeUrl(brought.page)
  return (
    <div class="brought">
      <span class="small">{s.t(brought.by === 'event' ? 'brought' : 'brought_booking')}</span>
      <strong>
        {[brought.source, brought.campaign].filter(Boolean).join(' · ') || brought.site || s.t('no_advert')}
      </strong>
      {brought.page && (
        <span class="small page">
          {page ? (
            <a
              href={page}
              target="_blank"
              rel="noopener noreferrer"
              title={s.t('page', { page: f.shortPage(page) })}
            >
              {f.shortPage(page)}
            </a>
          ) : (
            f.shortPage(brought.page)
          )}
        </span>
      )}
    </div>
  )
}

function Facts({ card }: { card: Card }) {
  const rate = card.no_show_rate
  const locale = s.locale.value
  return (
    <dl class="facts">
      <div>
        <dt>{s.t('next')}</dt>
        <dd>{card.next_booking ? <Booked booking={card.next_booking} /> : s.t('none_yet')}</dd>
      </div>
      <div>
        <dt>{s.t('last')}</dt>
        <dd>{card.last_booking ? <Booked booking={card.last_booking} /> : s.t('none_yet')}</dd>
      </div>
      <div class="short">
        <dt>{s.t('visits')}</dt>
        <dd>{card.visits}</dd>
      </div>
      {rate !== null && (
        <div class={`short${rate >= 0.3 ? ' alarm' : ''}`}>
          <dt>{s.t('no_show')}</dt>
          <dd>{f.percent(locale, rate)}</dd>
        </div>
      )}
      {card.unpaid.length > 0 && (
        <div class="alarm">
          <dt>{s.t('unpaid')}</dt>
          <dd>{owed(card.unpaid)}</dd>
        </div>
      )}
    </dl>
  )
}

function Booked({ booking }: { booking: Booking }) {
  const at = f.moment(s.locale.value, s.zone.value, Date.parse(booking.starts_at), s.now.peek())
  const rest = [booking.master, (booking.services ?? []).join(', ')].filter(Boolean).join(' · ')
  return (
    <>
      {at}
      {rest && <span class="faint small block">{rest}</span>}
    </>
  )
}

function owed(unpaid: Booking[]): string {
  const first = unpaid[0]!
  const same = unpaid.every((one) => one.amount !== null && one.currency === first.currency)
  const sum = unpaid.reduce((total, one) => total + Number(one.amount), 0)
  return same ? f.money(s.locale.value, String(sum), first.currency) : s.n('unpaid_n', unpaid.length)
}

function age(card: Card, asking: boolean): string {
  const time = f.moment(s.locale.value, s.zone.value, Date.parse(card.as_of), s.now.peek())
  if (card.fresh) return s.t('card_fresh', { time })
  if (asking) return s.t('card_asking')
  const why = `why_${card.why_not_fresh}`
  return isKey(why) ? s.t(why) : s.t('card_cached', { time })
}
