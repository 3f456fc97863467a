let senders = 0

/** Another address each time, in another network, for what is limited by where it comes from. */
export function anotherSender(): string {
  senders++
  return `10.${Math.floor(senders / 250)}.${senders % 250}.1`
}
