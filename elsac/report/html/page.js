"use strict";
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  // Hover texts: of the element under the pointer, or of the one that has the focus.
  const tip = document.getElementById("tip");
  const owner = (node) => (node instanceof Element ? node.closest("[data-tip]") : null);
  const show = (element, x, y) => {
    tip.textContent = element.dataset.tip;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = Math.min(x + 14, innerWidth - box.width - 8);
    const below = y + 18;
    const top = below + box.height > innerHeight - 8 ? y - box.height - 12 : below;
    tip.style.left = Math.max(8, left) + "px";
    tip.style.top = Math.max(8, top) + "px";
    light(element, true);
  };
  let current = null;
  const hide = () => {
    current = null;
    tip.hidden = true;
    all(".lit").forEach((node) => node.classList.remove("lit"));
    all(".timeline.step").forEach((node) => node.classList.remove("step"));
  };

  // A core lights up its routes, a bar all bars of its step.
  const light = (element) => {
    all(".lit").forEach((node) => node.classList.remove("lit"));
    const mesh = element.closest(".mesh");
    if (mesh && element.dataset.links) {
      const links = new Map(all("[data-link]", mesh).map((node) => [node.dataset.link, node]));
      element.dataset.links.split(" ").forEach((key) => links.get(key).classList.add("lit"));
    }
    const timeline = element.closest(".timeline");
    if (timeline) {
      const step = element.dataset.step;
      timeline.classList.toggle("step", step !== undefined);
      if (step !== undefined) {
        all(`[data-step="${step}"]`, timeline).forEach((node) => node.classList.add("lit"));
      }
    }
  };
  document.addEventListener("pointerover", (event) => {
    const element = owner(event.target);
    if (element === current) return;
    if (element) show(element, event.clientX, event.clientY);
    else hide();
    current = element;
  });
  document.addEventListener("pointerdown", (event) => {
    const element = owner(event.target);
    if (element) show(element, event.clientX, event.clientY);
  });
  document.addEventListener("focusin", (event) => {
    const element = owner(event.target);
    if (!element || !element.matches(":focus-visible")) return;
    const box = element.getBoundingClientRect();
    show(element, box.left + Math.min(box.width, 120), Math.min(box.bottom - 14, innerHeight));
  });
  document.addEventListener("focusout", hide);
  document.addEventListener("scroll", hide, true);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
  });

  // One stop for a whole mesh or list; arrow keys move from core to core, from row to row.
  const nearest = (all, from, dx, dy) => {
    let best = null;
    let least = Infinity;
    for (const item of all) {
      const x = item.dataset.x - from.dataset.x;
      const y = item.dataset.y - from.dataset.y;
      const along = x * dx + y * dy;
      if (along <= 0) continue;
      const distance = along + 3 * Math.abs(x * dy + y * dx);
      if (distance < least) [best, least] = [item, distance];
    }
    return best;
  };
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  all("[data-roving]").forEach((group) => {
    group.addEventListener("keydown", (event) => {
      const from = event.target.closest("[data-y]");
      if (!from || !(event.key in arrows)) return;
      event.preventDefault();
      const to = nearest(all("[data-y]", group), from, ...arrows[event.key]);
      if (!to) return;
      from.tabIndex = -1;
      to.tabIndex = 0;
      to.focus();
    });
  });

  // Numbers sort by value, what is not known stays last, names sort as people count.
  const collator = new Intl.Collator(undefined, { numeric: true });
  const compare = (a, b, sign) => {
    const [u, v] = [a.dataset.v, b.dataset.v];
    if (a.tagName === "TH") return sign * collator.compare(a.textContent, b.textContent);
    if (u === undefined || v === undefined) return (u === undefined) - (v === undefined);
    return sign * (u - v);
  };
  all("table.sortable").forEach((table) => {
    const heads = all("thead th", table);
    const body = table.tBodies[0];
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const before = head.getAttribute("aria-sort");
        const text = head.classList.contains("text");
        const first = text ? "ascending" : "descending";
        const other = text ? "descending" : "ascending";
        const order = before === first ? other : first;
        heads.forEach((each) => each.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const rows = Array.from(body.rows);
        rows.sort((a, b) => compare(a.cells[column], b.cells[column], sign));
        body.append(...rows);
      });
    });
  });

  // What the accuracy is drawn over.
  all("figure").forEach((figure) => {
    const choices = all("input[name=axis]", figure);
    const pick = (key) =>
      all("[data-axis]", figure).forEach((chart) => {
        chart.hidden = chart.dataset.axis !== key;
      });
    choices.forEach((choice) => choice.addEventListener("change", () => pick(choice.value)));
    const chosen = choices.find((choice) => choice.checked);
    if (chosen) pick(chosen.value);
  });

  const theme = document.getElementById("theme");
  const themes = ["auto", "light", "dark"];
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const next = themes[(themes.indexOf(document.documentElement.dataset.theme || "auto") + 1) % 3];
    document.documentElement.dataset.theme = next;
    theme.textContent = `Theme: ${next}`;
  });
})();
