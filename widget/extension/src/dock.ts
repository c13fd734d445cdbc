/** The extension's own page around the workplace: folds it, moves it, says when it does not answer. */
import { asMode, asObject, asText, type Mode, serverOrigin, tell } from './messages'
import { words } from './words'

const AGAIN_MS = 20_000
const find = (id: string) => document.getElementById(id)!
const frame = find('page') as HTMLIFrameElement
let word = words(navigator.language)
let mode: Mode = 'full'
let heard = false
let silent = false
let changed = false

function lay(next: Mode): void {
  mode = next
  document.body.classList.toggle('strip', mode === 'strip')
  const fold = find('fold')
  fold.textContent = mode === 'full' ? '–' : '☰'
  fold.setAttribute('aria-label', word(mode === 'full' ? 'fold' : 'unfold'))
}

/** The page says for itself what is the matter; while it is silent, we do. */
function say(): void {
  const said = find('said')
  const text = heard ? '' : changed ? word('changed') : silent ? word('silent') : ''
  if (said.textContent !== text) said.textContent = text
  document.body.classList.toggle('heard', heard)
}

function name(): void {
  document.title = word('dock')
  frame.title = word('dock')
  for (const id of ['side', 'window'] as const) {
    find(id).setAttribute('aria-label', word(id))
    find(id).title = word(id)
  }
  find('side').textContent = '⇄'
  find('window').textContent = '↗'
}

/** A page that never said a word is asked for again: the server was away, or its answer was refused. */
let waiting = 0
function load(): void {
  frame.src = `${serverOrigin()}/workplace?surface=extension`
  clearTimeout(waiting)
  waiting = setTimeout(() => {
    if (heard) return
    silent = true
    say()
    load()
  }, AGAIN_MS)
}

chrome.runtime.onMessage.addListener((message) => {
  const told = asObject(message)
  if (told.for !== 'dock') return
  if (told.kind === 'heard') {
    heard = true
    say()
  } else if (told.kind === 'size') {
    lay(asMode(told.mode))
  } else if (told.kind === 'cabinet') {
    changed = told.changed === true
    say()
  }
  return undefined
})

find('fold').addEventListener(
  'click',
  () => void tell({ for: 'worker', kind: 'size', mode: mode === 'full' ? 'strip' : 'full' }),
)
find('side').addEventListener('click', () => void tell({ for: 'worker', kind: 'side' }))
find('window').addEventListener('click', () => void tell({ for: 'worker', kind: 'open_window' }))

void tell({ for: 'worker', kind: 'hello' }).then((told) => {
  const locale = asText(told.locale, 5)
  if (locale) word = words(locale)
  lay(asMode(asObject(told.place).mode))
  name()
  document.documentElement.lang = locale.startsWith('en') ? 'en' : 'ru'
})
name()
load()
