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
const charts = {
  perDay: () => bars(data.days, Object.entries(data.perDay).map(([lang, counts]) => ({ label: lang, data: counts, backgroundColor: palette[lang] })), true),
  stories: () => ({
    type: "line",
    data: { labels: data.days, datasets: [{ data: data.stories, borderColor: colour("accent"), backgroundColor: colour("wash"), fill: true, tension: 0.3, pointRadius: 2 }] },
    options: {
      plugins: { legend: { display: false } },
      scales: { x: { grid: { display: false } }, y: { beginAtZero: true, ticks: { precision: 0 }, border: { display: false } } },
    },
  }),
  langs: () => ({
    type: "doughnut",
    data: { labels: Object.keys(data.langs), datasets: [{ data: Object.values(data.langs), backgroundColor: Object.keys(data.langs).map((lang) => palette[lang]), borderColor: colour("card"), borderWidth: 3 }] },
    options: { cutout: "62%", plugins: { legend: { position: "right", labels: { usePointStyle: true } } } },
  }),
  storyLangs: () => of(data.storyLangs),
  sizes: () => of(data.sizes),
};
for (const canvas of document.querySelectorAll("canvas[data-chart]")) new Chart(canvas, charts[canvas.dataset.chart]());
