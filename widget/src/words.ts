// Words in the language of the person. One language is loaded with the page, the other when it is chosen. Plural forms are
// chosen by Intl.PluralRules; no sentence is glued from parts.

import { signal } from '@preact/signals'
import type { Key, Words } from './words.ru'

export type { Key }
export type Locale = 'ru' | 'en'

const FILES: Record<Locale, () => Promise<{ words: Words }>> = {
  ru: () => import('./words.ru'),
  en: () => import('./words.en'),
}
const loaded = signal<Partial<Record<Locale, Words>>>({})

/** Must be done before words of the language are shown; done once for each. */
export async function speak(locale: Locale): Promise<void> {
  if (loaded.value[locale]) return
  const { words } = await FILES[locale]()
  loaded.value = { ...loaded.value, [locale]: words }
}

/** The language, or the one that is there as long as it is still on its way. */
export function there(locale: Locale): Locale {
  return loaded.value[locale] || !loaded.value[locale === 'ru' ? 'en' : 'ru']
    ? locale
    : locale === 'ru'
      ? 'en'
      : 'ru'
}

type Facts = Record<string, string | number>

function filled(text: string, facts: Facts): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(facts[name] ?? ''))
}

export function text(locale: Locale, key: Key, facts: Facts = {}): string {
  return filled(loaded.value[locale]?.texts[key] ?? '', facts)
}

/** Whether there is such a text; for keys made of what the server says. */
export function isKey(key: string): key is Key {
  const words = loaded.value.ru ?? loaded.value.en
  return !!words && Object.keys(words.texts).includes(key)
}

const rules: Partial<Record<Locale, Intl.PluralRules>> = {}

export function plural(locale: Locale, key: string, n: number): string {
  const rule = rules[locale] ?? new Intl.PluralRules(locale)
  rules[locale] = rule
  const forms = loaded.value[locale]?.plurals[key as keyof Words['plurals']]
  const form = forms?.[rule.select(n)] ?? forms?.other ?? ''
  return filled(form, { n: new Intl.NumberFormat(locale).format(n) })
}

export function quick(locale: Locale): string[] {
  return loaded.value[locale]?.quick ?? []
}
