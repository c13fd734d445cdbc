/** What of the browser's interface for extensions is used here, and nothing else. */
declare namespace chrome {
  interface Event<F> {
    addListener(listener: F): void
  }
  namespace runtime {
    interface MessageSender {
      id?: string
      origin?: string
      url?: string
      frameId?: number
      tab?: { id?: number; url?: string }
    }
    const id: string
    const onMessage: Event<
      (message: unknown, sender: MessageSender, answer: (told?: unknown) => void) => boolean | undefined
    >
    const onInstalled: Event<(details: { reason: string }) => void>
    function sendMessage(message: unknown): Promise<unknown>
    function getManifest(): {
      version: string
      host_permissions: string[]
      content_scripts: { matches: string[] }[]
    }
    function getURL(path: string): string
  }
  namespace storage {
    interface Area {
      get(keys: string | string[]): Promise<Record<string, unknown>>
      set(items: Record<string, unknown>): Promise<void>
      remove(keys: string | string[]): Promise<void>
      setAccessLevel(level: { accessLevel: 'TRUSTED_CONTEXTS' }): Promise<void>
    }
    const local: Area
    const session: Area
  }
  namespace tabs {
    function sendMessage(tab: number, message: unknown): Promise<unknown>
    function create(wanted: { url: string }): Promise<unknown>
    const onRemoved: Event<(tab: number) => void>
  }
  namespace action {
    function setBadgeText(told: { text: string }): Promise<void>
    function setBadgeBackgroundColor(told: { color: string }): Promise<void>
    function setTitle(told: { title: string }): Promise<void>
    const onClicked: Event<(tab: { id?: number }) => void>
  }
}
