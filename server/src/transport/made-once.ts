/** Makes something once for an address: a server has one, and strangers may ask as often as they like. */
export function madeOnce<Made>(make: (publicUrl: string) => Made): (publicUrl: string) => Made {
  let last: { readonly publicUrl: string; readonly made: Made } | undefined
  return (publicUrl) => {
    if (last?.publicUrl !== publicUrl) last = { publicUrl, made: make(publicUrl) }
    return last.made
  }
}
