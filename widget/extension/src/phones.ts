/** Phones in a text: where they stand and which they are. Pure. */

export interface Phone {
  start: number
  end: number
  phone: string
}

/** Russian ways of writing, and anything international with a plus. A digit beside it makes it another number. */
const WRITTEN =
  /(?<![\d+.,/-])(?:\+7|8|7)[\s\u00a0(-]{0,3}\d{3}[\s\u00a0)-]{0,3}\d{3}[\s\u00a0-]?\d{2}[\s\u00a0-]?\d{2}(?![\d-])|(?<![\d+])\+[1-9]\d{0,2}[\s\u00a0(-]{0,2}\d{2,4}(?:[\s\u00a0)-]{0,2}\d{2,4}){2,3}(?![\d-])/g
const LONGEST = 4000

/** Cheap refusal of most texts before any pattern is tried. */
export const mayHold = (text: string): boolean =>
  text.length >= 10 && text.length <= LONGEST && /\d{2}/.test(text)

export function phonesIn(text: string): Phone[] {
  const found: Phone[] = []
  WRITTEN.lastIndex = 0
  for (let one = WRITTEN.exec(text); one; one = WRITTEN.exec(text)) {
    const phone = asE164(one[0])
    if (phone) found.push({ start: one.index, end: one.index + one[0].length, phone })
  }
  return found
}

/** `+79161234567`, or empty: not a phone that can be called. */
export function asE164(written: string): string {
  const plus = written.trim().startsWith('+')
  const digits = written.replace(/\D/g, '')
  const russian = digits.length === 11 && (digits.startsWith('8') || digits.startsWith('7')) && !plus
  const number = russian
    ? `7${digits.slice(1)}`
    : digits.length === 10 && digits.startsWith('9')
      ? `7${digits}`
      : digits
  if (!plus && !russian && number.length !== 11) return ''
  if (number.length < 8 || number.length > 15) return ''
  if (number.startsWith('7') && !/^7[3-9]\d{9}$/.test(number)) return ''
  return `+${number}`
}
