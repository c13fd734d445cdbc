const WORDS = {
  ru: {
    dock: 'Рабочее место',
    fold: 'Свернуть рабочее место',
    unfold: 'Развернуть рабочее место',
    side: 'Переставить на другую сторону',
    window: 'Открыть в отдельной вкладке',
    silent: 'Рабочее место не отвечает. Журнал работает как обычно; попробуем ещё раз сами.',
    changed:
      'Страница YCLIENTS выглядит не так, как мы знаем. Звонки и чаты работают; звонок по номеру на странице может не найти номер.',
    call: 'Позвонить',
    phones: 'Номера на этой странице',
    no_phones: 'На этой странице номеров не видно.',
    missed: 'пропущенные',
    unpaired: 'не подключено',
  },
  en: {
    dock: 'Workplace',
    fold: 'Fold the workplace',
    unfold: 'Unfold the workplace',
    side: 'Move to the other side',
    window: 'Open in a tab of its own',
    silent: 'The workplace does not answer. The journal works as usual; we shall try again by ourselves.',
    changed:
      'This YCLIENTS page is not as we know it. Calls and chats work; a phone on the page may not be found.',
    call: 'Call',
    phones: 'Phones on this page',
    no_phones: 'No phone is seen on this page.',
    missed: 'missed',
    unpaired: 'not connected',
  },
}
export type Word = keyof (typeof WORDS)['ru']

/** The person's language, before anybody is known the browser's: Russian unless it says English. */
export const words = (locale: string): ((word: Word) => string) => {
  const chosen = WORDS[locale.toLowerCase().startsWith('en') ? 'en' : 'ru']
  return (word) => chosen[word]
}
