// Says what was clicked, or sums up what ran in a range.
const {name, state, start, end, waited, id, error, y, height} = source.data
const seconds = x => x.toFixed(3) + " s"
const hit = i => shown.booleans[i]
if (cb_obj.event_name == "tap") {
  const i = Array.from(start).findIndex((from, i) =>
    hit(i) && Math.abs(y[i] - cb_obj.y) <= height[i] / 2 && from <= cb_obj.x && cb_obj.x <= end[i])
  if (i >= 0) {
    told.text = `${name[i]}  ${state[i]} ${error[i]}\nid ${id[i]}\n` +
      `waited ${seconds(waited[i])}, from ${seconds(start[i])} to ${seconds(end[i])}`
    const its = arrows.child.map((child, at) => (child == i || arrows.parent[at] == i) ? 1 : 0)
    const ends = {}
    for (const [column, values] of Object.entries(arrows))
      ends[column] = values.filter((_, at) => its[at])
    drawn.data = ends
  }
} else {
  const {x0, x1} = cb_obj.geometry
  const found = {}
  let busy = 0
  for (let i = 0; i < start.length; i++) {
    const inside = Math.min(end[i], x1) - Math.max(start[i], x0)
    if (!hit(i) || inside < 0) continue
    const one = found[name[i]] ??= {count: 0, inside: 0, waited: 0}
    one.count += 1; one.inside += inside; one.waited += waited[i]; busy += inside
  }
  const lines = [`${seconds(x0)} to ${seconds(x1)}: ${(busy / (x1 - x0)).toFixed(1)} at once`]
  const ranked = Object.entries(found).sort((a, b) => b[1].inside - a[1].inside)
  for (const [what, one] of ranked)
    lines.push(`${what}: ${one.count}, ${seconds(one.inside)} in here, ` +
      `waited ${seconds(one.waited / one.count)} on average`)
  told.text = lines.join("\n")
}
