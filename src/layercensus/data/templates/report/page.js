// What the page can do beyond what it shows without this: the reader's locale, filters, a week at a time, colours.
// Everything it writes are numbers of the page's own data, as text; nothing is fetched, stored elsewhere or evaluated.
"use strict";
(() => {
  const find = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const locale = navigator.language || "en";
  const isEnglish = /^en\b/i.test(locale);

  // --- numbers in the reader's locale

  const digits = (least, most = least, more = {}) =>
    new Intl.NumberFormat(locale, { minimumFractionDigits: least, maximumFractionDigits: most, roundingMode: "halfEven", ...more });
  const tenths = digits(1), hundredths = digits(2), whole = digits(0), upToFour = digits(0, 4);
  const percentSign = (format, value) =>
    isEnglish ? `${format.format(value * 100)}\u00a0%`
      : digits(format.resolvedOptions().minimumFractionDigits, format.resolvedOptions().maximumFractionDigits, { style: "percent" }).format(value);
  const narrow = (text) => text.replace("less than ", "<").replace("more than ", ">");
  const fraction = (value, written) => {
    if (value <= 0) return written(whole, 0);
    if (value >= 1) return written(whole, 1);
    if (value < 0.001) return `less than ${written(tenths, 0.001)}`;
    if (value > 0.999) return `more than ${written(tenths, 0.999)}`;
    return written(tenths, value);
  };
  const kinds = {
    "percent": (value) => fraction(value, percentSign),
    "bare-percent": (value) => fraction(value, (format, one) => format.format(one * 100)),
    "narrow-percent": (value) => narrow(kinds["percent"](value)),
    "narrow-bare-percent": (value) => narrow(kinds["bare-percent"](value)),
    "count": (value) => whole.format(value),
    "decimal": (value) => tenths.format(value),
    "axis": (value) => percentSign(upToFour, value),
    "points": (value) => {
      const size = Math.abs(value) * 100, sign = value < 0 ? "\u2212" : value > 0 ? "+" : "";
      return size > 0 && size < 0.005 ? `nearly ${whole.format(0)}` : sign + hundredths.format(size);
    },
  };
  const words = (kind, value) => (value === null ? "not known" : kinds[kind](value));
  const valueOf = (element) => JSON.parse(element.getAttribute("value") ?? element.dataset.value);

  function show(element, value, path) {
    element.setAttribute(element.tagName === "DATA" ? "value" : "data-value", JSON.stringify(value));
    if (path) element.dataset.path = path; else delete element.dataset.path;
    element.textContent = words(element.dataset.kind, value);
  }

  // Where both ends read the same, one says it.
  function settle(range) {
    const [low, high] = all("data", range);
    const isOne = valueOf(high) === null || low.textContent === words(low.dataset.kind, valueOf(high));
    low.hidden = low.nextElementSibling.hidden = isOne;
  }

  // Numbers in sentences are rewritten with as many digits as they have.
  function translate(text) {
    return text.replace(/\d{4}-\d\d-\d\d|\d+(?:,\d{3})*(?:\.\d+)?(?=[\s\u00a0;,.):]|%|$)/g, (found) => {
      if (found.includes("-") || /^\d{4}$/.test(found)) return found;
      const plain = Number(found.replaceAll(",", ""));
      const after = (found.split(".")[1] ?? "").length;
      return digits(after).format(plain);
    });
  }

  function localise() {
    for (const element of all("[data-kind]")) element.textContent = words(element.dataset.kind, valueOf(element));
    for (const range of all(".range")) settle(range);
    if (!isEnglish) for (const element of all("[data-prose]")) element.textContent = translate(element.textContent);
  }

  // --- filters

  const data = JSON.parse(find("#choices").textContent);
  const select = { release: find("#choose-release"), platform: find("#choose-platform") };

  function warn(element, cautions) {
    const told = cautions.map((one) => data.cautions[one]), words = document.createElement("span");
    element.replaceChildren();
    if (!told.length) return;
    words.textContent = `(${told.map((one) => one[1]).join(", ")})`;
    if ("words" in element.dataset) words.textContent = `Take the interval with care, it may be too narrow: ${told.map((one) => one[1]).join("; ")}.`;
    else {
      const marks = document.createElement("span");
      marks.ariaHidden = "true";
      marks.textContent = told.map((one) => one[0]).join("");
      words.className = "unseen";
      element.append(marks);
    }
    element.append(words);
  }

  function fill(element, figures, top, key) {
    element.classList.toggle("absent", figures === null);
    const [path, ...values] = figures ?? [""];
    const field = (name) => (figures === null ? null : values[data.fields.indexOf(name)]);
    for (const one of all("[data-field]", element)) show(one, field(one.dataset.field), figures && field(one.dataset.field) !== null ? `${path}.${one.dataset.field}` : "");
    for (const range of all(".range", element)) settle(range);
    if (figures === null && element.tagName === "LI") find(".value data", element).textContent = "no cluster";
    const caution = find(".caution", element);
    if (caution) warn(caution, figures === null ? [] : values[data.fields.length]);
    const svg = find("svg[role=img]", element);
    if (!svg) return;
    const at = (value) => Math.min(value / top, 1) * 100;
    for (const [name, low, high] of [["bounds", field("bounds.0"), field("bounds.1")], ["interval", field("ci95.0"), field("ci95.1")]]) {
      const bar = find(`rect.${name}`, svg);
      bar.setAttribute("x", `${low === null ? 0 : at(low)}%`);
      bar.setAttribute("width", `${low === null ? 0 : at(high) - at(low)}%`);
    }
    const share = field("share"), dot = find("circle.share", svg);
    dot.setAttribute("visibility", share === null || share > top ? "hidden" : "visible");
    dot.setAttribute("cx", `${share === null ? 0 : at(share)}%`);
    find(".cut", svg).setAttribute("visibility", Math.max(share ?? 0, field("ci95.1") ?? 0, field("bounds.1") ?? 0) > top ? "visible" : "hidden");
    const told = (name, kind) => words(kind, field(name));
    find("title", svg).textContent = figures === null ? `${key}: no cluster`
      : `${key}: share ${told("share", "percent")}, 95 % interval ${told("ci95.0", "bare-percent")} to ${told("ci95.1", "percent")}, bounds ${told("bounds.0", "bare-percent")} to ${told("bounds.1", "percent")}`;
  }

  const cell = (release, platform) => data.cells.find((one) => one[0] === release && one[1] === platform)?.slice(2) ?? null;

  function figuresOf(release, platform) {
    if (release === null && platform === null) return data.all;
    if (platform === null) return data.release[release];
    return release === null ? data.platform[platform] : cell(release, platform);
  }

  function choose() {
    const chosen = Object.fromEntries(Object.entries(select).map(([name, one]) => [name, one.value === "" ? null : Number(one.value)]));
    const word = (name) => select[name].selectedOptions[0].textContent;
    const figures = figuresOf(chosen.release, chosen.platform);
    const panel = find("#chosen");
    fill(panel, figures, 1, "");
    const named = `${chosen.release === null ? "All releases" : word("release")}, ${word("platform")}`;
    const why = data.cells.length ? "no cluster of it reports" : "not published for a release and a platform at once";
    find("#chosen-name").textContent = figures === null ? `${named}: ${why}` : named;
    for (const list of all("[data-rows]")) {
      const own = list.dataset.rows, other = own === "release" ? "platform" : "release";
      const isCut = chosen[other] !== null && data.cells.length > 0;
      all("li", list).forEach((row, index) => {
        const key = find(".key", row).textContent;
        const cut = own === "release" ? [index, chosen.platform] : [chosen.release, index];
        fill(row, isCut ? cell(...cut) : data[own][index], Number(list.dataset.top), key);
        row.classList.toggle("chosen", chosen[own] === index);
      });
      find("[data-marks]", list.parentElement).hidden = !all(".caution", list).some((one) => one.textContent);
      const note = find(`[data-filtered="${own}"]`);
      note.hidden = chosen[other] === null;
      note.textContent = isCut ? `The chart below shows ${word(other)} only; the sentence above is about all of them.`
        : "All of them: this report is not published by release and platform at once.";
    }
    for (const list of all("[data-smalls]")) {
      const name = list.dataset.smalls, key = chosen[name] === null ? null : word(name);
      for (const one of all("[data-small]", list)) {
        one.classList.toggle("chosen", one.dataset.small === key);
        one.classList.toggle("faded", key !== null && one.dataset.small !== key);
      }
    }
  }

  function beginFilters() {
    const form = find("#choose");
    if (!form) return;
    const chosen = () => { choose(); remember(); };
    for (const one of Object.values(select)) one.addEventListener("change", chosen);
    form.addEventListener("reset", () => setTimeout(chosen));
    form.addEventListener("submit", (event) => event.preventDefault());
    shows.push(choose);
  }

  // --- what is chosen stands in the address, so that it can be sent, and gone back to

  const shows = [];
  const selects = () => [...Object.values(select), find("#from")].filter(Boolean);
  const standing = (one) => Math.max([...one.options].findIndex((option) => option.defaultSelected), 0);
  const isChosen = (one) => one.selectedIndex !== standing(one);

  function remember() {
    const words = new URLSearchParams(selects().filter(isChosen).map((one) => [one.name, one.selectedOptions[0].textContent])).toString();
    if (words !== location.hash.slice(1)) history.pushState(null, "", words ? `#${words}` : location.pathname + location.search);
  }

  // A link within the page has no choice in it and changes none.
  function recall() {
    if (location.hash && !location.hash.includes("=")) return;
    const words = new URLSearchParams(location.hash.slice(1));
    for (const one of selects()) {
      const at = [...one.options].findIndex((option) => option.textContent === words.get(one.name));
      one.selectedIndex = at < 0 ? standing(one) : at;
    }
    for (const show of shows) show();
  }

  function beginAddress() {
    addEventListener("popstate", recall);
    if (!location.hash.includes("=")) return;
    recall();
    selects().find(isChosen)?.closest("section").scrollIntoView();
  }

  // --- a week at a time, and from which release on: both read the tables

  function compose(target, template, row) {
    target.replaceChildren();
    const cells = all("td", row);
    for (const part of template) target.append(typeof part === "number" ? cells[part].firstElementChild.cloneNode(true) : part);
    // A sentence has room for words.
    for (const one of all("data", target)) { one.dataset.kind = one.dataset.kind.replace("narrow-", ""); show(one, valueOf(one), one.dataset.path); }
    for (const range of all(".range", target)) settle(range);
  }

  function beginWeeks() {
    const slider = find("#week");
    if (!slider) return;
    const places = slider.dataset.places.split(" ").map((one) => one.split(","));
    const rows = all("tr[data-day]", slider.closest("section").querySelector(".numbers")).reverse();
    const cursor = find("#cursor");
    const move = () => {
      const index = Number(slider.value), [x, y] = places[index], row = rows[index];
      for (const name of ["x1", "x2"]) find("line", cursor).setAttribute(name, `${x}%`);
      find("circle", cursor).setAttribute("cx", `${x}%`);
      find("circle", cursor).setAttribute("cy", `${y}%`);
      compose(find("#week-words"), ["Week to ", find("time", row).cloneNode(true), ": share ", 0, ", 95\u00a0% interval ", 1, ", bounds ", 2, "; ", 3, " of ", 4, " machines in ", 6, " clusters."], row);
      slider.setAttribute("aria-valuetext", find("#week-words").textContent);
    };
    slider.addEventListener("input", () => { cursor.setAttribute("visibility", "visible"); move(); });
    const chart = slider.closest("figure").querySelector(".chart");
    chart.addEventListener("pointermove", (event) => {
      const box = chart.getBoundingClientRect(), x = ((event.clientX - box.left) / box.width) * 100;
      let nearest = 0;
      places.forEach((place, index) => { if (Math.abs(place[0] - x) < Math.abs(places[nearest][0] - x)) nearest = index; });
      slider.value = nearest;
      cursor.setAttribute("visibility", "visible");
      move();
    });
    move();
  }

  function beginFrom() {
    const from = find("#from");
    if (!from) return;
    const section = from.closest("section"), bars = all(".stuck li", section);
    const rows = all("tbody tr", all(".numbers", section).at(-1));
    const move = () => {
      const index = Number(from.value), key = from.selectedOptions[0].textContent;
      bars.forEach((bar, at) => bar.classList.toggle("chosen", at === index));
      const told = find("#from-words"), any = all("td", rows[index])[5];
      const more = valueOf(find("data", any)) === null ? ["."] : ["; if they refused any local change, ", 5, ", ", 6, " (bounds ", 7, ")."];
      compose(told, [`If upgrades to ${key} and later refused ${told.dataset.refused}, `, 2, " of ", 0, " machines read on older releases would be stuck, ", 3, " (bounds ", 4, ")", ...more], rows[index]);
    };
    from.addEventListener("change", () => { move(); remember(); });
    shows.push(move);
    move();
  }

  // --- a table in the order of a column: largest first, then smallest; what is not known stays last

  function beginSorting() {
    for (const table of all(".numbers table")) {
      const body = find("tbody", table), rows = all("tr", body), heads = all("thead th", table);
      if (rows.length < 2) continue;
      const valueIn = (row, column) => (column === 0 ? -rows.indexOf(row) : valueOf(find("data", row.cells[column])));
      heads.forEach((head, column) => {
        const button = document.createElement("button");
        button.type = "button";
        button.append(...head.childNodes);
        head.append(button);
        button.addEventListener("click", () => {
          const sign = head.ariaSort === "descending" ? 1 : -1;
          for (const one of heads) one.removeAttribute("aria-sort");
          head.ariaSort = sign < 0 ? "descending" : "ascending";
          const known = rows.filter((row) => valueIn(row, column) !== null);
          known.sort((one, other) => sign * (valueIn(one, column) - valueIn(other, column)));
          body.append(...known, ...rows.filter((row) => valueIn(row, column) === null));
        });
      });
    }
  }

  // --- colours, paper, age

  function beginTheme() {
    const theme = find("#theme"), root = document.documentElement;
    const use = (name) => { if (name) root.dataset.theme = name; else delete root.dataset.theme; };
    theme.addEventListener("change", () => use(theme.value));
  }

  function beginPaper() {
    let opened = [];
    addEventListener("beforeprint", () => { opened = all("details:not([open])"); for (const one of opened) one.open = true; });
    addEventListener("afterprint", () => { for (const one of opened) one.open = false; });
  }

  function beginAge() {
    const health = find(".health");
    if (!health) return;
    const look = () => { find("#old").hidden = Date.now() - Date.parse(health.dataset.made) < 3000 * Number(health.dataset.every); };
    look();
    setInterval(look, 60000);
  }

  localise();
  for (const element of all("[data-script]")) element.hidden = false;
  beginFilters();
  beginWeeks();
  beginFrom();
  beginTheme();
  beginPaper();
  beginAge();
  beginSorting();
  beginAddress();
})();
