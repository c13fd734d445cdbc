// Copy buttons, and the journal that refreshes itself. Everything else works without this file.
'use strict'

for (const button of document.querySelectorAll('[data-copy]')) {
  const usual = button.textContent
  button.addEventListener('click', async () => {
    const text = document.getElementById(button.dataset.copy).textContent
    try {
      await navigator.clipboard.writeText(text)
    } catch {
      // No clipboard without https: select the text, so that Ctrl+C takes it.
      getSelection().selectAllChildren(document.getElementById(button.dataset.copy))
      document.execCommand('copy')
    }
    button.textContent = button.dataset.done
    setTimeout(() => (button.textContent = usual), 1500)
  })
}

// A further row of a table: the last one again, empty.
for (const button of document.querySelectorAll('[data-add]')) {
  button.hidden = false
  button.addEventListener('click', () => {
    const rows = button.parentElement.previousElementSibling
    const row = rows.lastElementChild.cloneNode(true)
    for (const field of row.querySelectorAll('input, select')) field.value = ''
    rows.append(row)
    row.querySelector('input').focus()
  })
}

// An open group of the menu folds on a press elsewhere, and on Escape, which gives the focus back.
const foldOthers = (but) => {
  for (const menu of document.querySelectorAll('.menu[open]')) if (!menu.contains(but)) menu.open = false
}
document.addEventListener('click', (event) => foldOthers(event.target))
document.addEventListener('focusin', (event) => foldOthers(event.target))
document.addEventListener('keydown', (event) => {
  const open = event.key === 'Escape' && document.querySelector('.menu[open]')
  if (!open) return
  open.open = false
  open.querySelector('summary').focus()
})

const live = document.querySelector('[data-live]')
if (live && !new URLSearchParams(location.search).get('cursor')) {
  const label = document.querySelector('.live')
  if (label) label.hidden = false
  const refresh = async () => {
    // A hidden tab, or a reader who is selecting text or walking the table by keyboard, is left alone.
    const busy = document.hidden || live.contains(document.activeElement) || String(getSelection())
    if (!busy) {
      try {
        const answer = await fetch(live.dataset.live + location.search, { headers: { Accept: 'text/html' }, redirect: 'error' })
        if (answer.ok) show(await answer.text())
      } catch {
        // The server restarts or the network is away: the next look will tell.
      }
    }
    setTimeout(refresh, 2000)
  }
  const show = (text) => {
    const known = new Set([...live.querySelectorAll('tr[id]')].map((row) => row.id))
    for (const part of new DOMParser().parseFromString(text, 'text/html').querySelectorAll('#health, #rows, #links')) {
      const old = document.getElementById(part.id)
      if (old && old.outerHTML !== part.outerHTML && !old.contains(document.activeElement)) old.replaceWith(part)
    }
    if (known.size) for (const row of live.querySelectorAll('tr[id]')) row.classList.toggle('fresh', !known.has(row.id))
  }
  setTimeout(refresh, 2000)
}
