// The page's number tells a page that was loaded again from the one that it replaces, which
// says no goodbye.
const page = Math.random().toString(36).slice(2);
export default {
  render({ model, el }) {
    const box = document.createElement("div");
    box.className = "ray-labs-live";
    el.append(box);
    const draw = () => { box.innerHTML = model.get("html"); };
    model.on("change:html", draw);
    draw();
    model.send({ shown: 1, page });
    return () => {
      model.off("change:html", draw);
      model.send({ shown: -1, page });
    };
  },
};
