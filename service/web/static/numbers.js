// The charts of the page Numbers, drawn by Chart.js (static/chart.js) from the page's own data, in the colours of its style.
"use strict";

const data = JSON.parse(document.getElementById("charts").textContent);
const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(`--${name}`).trim();
const palette = { en: colour("en"), ja: colour("ja"), de: colour("de"), it: colour("it"), other: colour("soft") };

Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
Chart.defaults.color = colour("soft");
Chart.defaults.borderColor = colour("line");
Chart.defaults.animation = !matchMedia("(prefers-reduced-motion: reduce)").matches && { duration: 500 };
Chart.defaults.maintainAspectRatio = false;
Chart.defaults.locale = data.lang;
Chart.defaults.plugins.tooltip.backgroundColor = colour("ink");
Chart.defaults.plugins.tooltip.titleColor = Chart.defaults.plugins.tooltip.bodyColor = colour("paper");

const bars = (labels, datasets, stacked) => ({
  type: "bar",
  data: { labels, datasets: datasets.map((one) => ({ borderRadius: 3, maxBarThickness: 46, ...one })) },
  options: {
    interaction: { mode: "index", intersect: false },
    plugins: { legend: { display: datasets.length > 1, position: "bottom", labels: { usePointStyle: true, boxHeight: 7 } } },
    scales: { x: { stacked, grid: { display: false } }, y: { stacked, beginAtZero: true, ticks: { precision: 0 }, border: { display: false } } },
  },
});
const of = (counts) => bars(Object.keys(counts), [{ data: Object.values(counts), backgroundColor: colour("accent") }], false);
const moment = new Intl.DateTimeFormat(data.lang, data.unit === "month" ? { month: "short", year: "numeric" } : { day: "numeric", month: "short" });
const spans = data.spans.map((day) => moment.format(new Date(`${day}T12:00:00`)));
const upright = (options) => ((options.scales.x.ticks = { maxRotation: 0, autoSkipPadding: 18 }), options);
const named = (key) => data.names[key] || key;
const charts = {
  items: () => {
    const chart = bars(spans, Object.entries(data.items).map(([lang, counts]) => ({ label: named(lang), data: counts, backgroundColor: palette[lang], borderRadius: 0 })), true);
    upright(chart.options);
    return chart;
  },
  growth: () => ({
    type: "bar",
    data: {
      labels: spans,
      datasets: [
        { type: "line", label: named("all"), data: data.growth.all, yAxisID: "all", borderColor: colour("accent"), backgroundColor: colour("wash"), fill: true, cubicInterpolationMode: "monotone", pointRadius: 0, pointHitRadius: 12, order: 2 },
        { label: named("new"), data: data.growth.new, backgroundColor: colour("soft"), borderRadius: 3, maxBarThickness: 18, order: 1 },
      ],
    },
    options: upright({
      interaction: { mode: "index", intersect: false },
      plugins: { legend: { position: "bottom", labels: { usePointStyle: true, boxHeight: 7 } } },
      scales: {
        x: { grid: { display: false } },
        y: { title: { display: true, text: named("new") }, beginAtZero: true, ticks: { precision: 0 }, border: { display: false }, grid: { display: false }, suggestedMax: 2 * Math.max(...data.growth.new, 1) },
        all: { title: { display: true, text: named("all") }, position: "right", beginAtZero: true, ticks: { precision: 0 }, border: { display: false } },
      },
    }),
  }),
  langs: () => ({
    type: "doughnut",
    data: { labels: Object.keys(data.langs).map(named), datasets: [{ data: Object.values(data.langs), backgroundColor: Object.keys(data.langs).map((lang) => palette[lang]), borderColor: colour("card"), borderWidth: 3 }] },
    options: { cutout: "62%", plugins: { legend: { position: "right", labels: { usePointStyle: true } } } },
  }),
  storyLangs: () => of(data.storyLangs),
  sizes: () => of(data.sizes),
};
for (const canvas of document.querySelectorAll("canvas[data-chart]")) new Chart(canvas, charts[canvas.dataset.chart]());
