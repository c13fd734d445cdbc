// Sounds made on the spot: nothing is loaded. A browser may keep silent until the person pressed something in the page.

import { signal } from '@preact/signals'
import type { Tone } from './keep'

/** The browser waits for a press before it lets any sound out. */
export const locked = signal(false)

let context: AudioContext | null = null
let ringing: number | undefined

function ready(): AudioContext | null {
  try {
    context = context ?? new AudioContext()
    locked.value = context.state === 'suspended'
    return context
  } catch {
    return null
  }
}

/** Within a press of the person. */
export async function unlock(): Promise<void> {
  const audio = ready()
  if (!audio || audio.state !== 'suspended') return
  try {
    await audio.resume()
  } catch {
    // stays locked, and is said so
  }
  locked.value = audio.state === 'suspended'
}

/** Notes of a tone: frequency, start and length in seconds, shape. */
const TONES: Record<Tone | 'ping', [number, number, number, OscillatorType][]> = {
  bell: [
    [880, 0, 0.5, 'triangle'],
    [1318.5, 0.16, 0.7, 'triangle'],
    [1760, 0.32, 0.9, 'sine'],
  ],
  soft: [
    [523.3, 0, 0.6, 'sine'],
    [659.3, 0.3, 0.8, 'sine'],
  ],
  pulse: [
    [440, 0, 0.9, 'sine'],
    [480, 0, 0.9, 'sine'],
  ],
  ping: [[987.8, 0, 0.3, 'sine']],
}

export function play(tone: Tone | 'ping', volume: number): void {
  const audio = ready()
  if (!audio || audio.state === 'suspended' || volume <= 0) return
  const loud = (volume / 100) ** 2 * 0.5
  for (const [frequency, from, length, shape] of TONES[tone]) {
    const voice = audio.createOscillator()
    const gain = audio.createGain()
    const start = audio.currentTime + from
    voice.type = shape
    voice.frequency.value = frequency
    gain.gain.setValueAtTime(0, start)
    gain.gain.linearRampToValueAtTime(loud, start + 0.02)
    gain.gain.exponentialRampToValueAtTime(0.0001, start + length)
    voice.connect(gain).connect(audio.destination)
    voice.start(start)
    voice.stop(start + length + 0.05)
  }
}

/** Rings until told to be still. */
export function ring(tone: Tone, volume: number): void {
  hush()
  play(tone, volume)
  ringing = window.setInterval(() => play(tone, volume), 2600)
}

export function hush(): void {
  window.clearInterval(ringing)
  ringing = undefined
}
