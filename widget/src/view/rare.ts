// What few people open, or open later than they come in: loaded when it is wanted.

export { Chat } from './Chat'
export { Enter } from './Enter'
export { Keys, Settings } from './Settings'
