// Shows the tasks whose name and state were asked for, and the arrows between them.
const {name: names, state: states} = source.data
const wanted = name.value_input.toLowerCase()
const keep = Array.from(names, (one, i) =>
  one.toLowerCase().includes(wanted) && (state.value == all_states || states[i] == state.value))
shown.booleans = keep
const ends = {}
const among = Array.from(arrows.child, (child, i) => keep[child] && keep[arrows.parent[i]])
const few = among.filter(Boolean).length <= most
for (const [column, values] of Object.entries(arrows))
  ends[column] = values.filter((_, i) => few && among[i])
drawn.data = ends
told.text = `${keep.filter(Boolean).length} of ${keep.length} tasks`
