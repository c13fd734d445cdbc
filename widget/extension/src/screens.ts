/** Runs on the cabinet's page «Рабочее место»: takes the code it shows, and says that the extension is here. */
import { tell } from './messages'

/** The page has all the words in its own language; which of them are seen is said here. */
function show(name: string, seen: boolean): void {
  for (const one of document.querySelectorAll<HTMLElement>(`[data-extension="${name}"]`)) one.hidden = !seen
}

async function pair(): Promise<void> {
  show('here', true)
  show('missing', false)
  const code = document.querySelector<HTMLElement>('output#pairing-code')?.dataset.code
  if (!code) return
  const told = await tell({ for: 'worker', kind: 'pair', code })
  if (told.paired) location.replace('/screens?done=screen_paired')
  else show(told.refused ? 'refused' : 'away', true)
}

void pair()
