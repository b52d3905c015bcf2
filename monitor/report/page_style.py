"""The frame and the look of the report's page: one file, no script, nothing from a network."""

from __future__ import annotations

from string import Template

STYLE = """
:root { --ink: #1c232d; --soft: #566173; --line: #d5dbe4; --pale: #f4f6f9; --good: #1a7f37; --bad: #a1260d;
  --link: #0b5cad; }
* { box-sizing: border-box; }
html { color-scheme: light; -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1rem; max-width: 76rem; background: #fff; color: var(--ink); overflow-wrap: anywhere;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0 .25rem; }
h2 { font-size: 1.3rem; margin: 2.2rem 0 .6rem; padding-top: .4rem; border-top: 2px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.4rem 0 .4rem; }
p { margin: .4rem 0 .8rem; max-width: 48rem; }
a { color: var(--link); }
.soft { color: var(--soft); }
.status { font-weight: 600; }
.status.succeeded { color: var(--good); }
.status.failed { color: var(--bad); }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 0; margin: .6rem 0; list-style: none; }
nav a { display: inline-block; padding: .25rem 0; }
dl.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .6rem; margin: 1rem 0; }
dl.figures div { background: var(--pale); border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .7rem; }
dl.figures dt { color: var(--soft); font-size: .85rem; }
dl.figures dd { margin: 0; font-size: 1.3rem; font-weight: 600; line-height: 1.25; }
dl.figures dd small { display: block; font-size: .8rem; font-weight: 400; color: var(--soft); }
ul.findings { padding: 0; margin: .5rem 0; list-style: none; }
ul.findings li { border-left: 4px solid var(--link); background: var(--pale); padding: .45rem .7rem; margin: .4rem 0; }
ul.findings li.warning { border-left-color: var(--bad); background: #fdf3f1; }
ul.findings li.warning strong { color: var(--bad); }
.scroll { overflow-x: auto; max-width: 100%; margin: .6rem 0 1.2rem; }
.scroll:focus-visible { outline: 2px solid var(--link); }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
caption span { display: inline-block; position: sticky; left: 0; max-width: min(48rem, calc(100vw - 2rem)); }
caption { text-align: left; color: var(--soft); padding: .2rem 0 .4rem; }
th, td { padding: .28rem .45rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
  overflow-wrap: normal; }
td { overflow-wrap: break-word; max-width: 34rem; }
thead th { background: var(--pale); vertical-align: bottom; font-weight: 600; }
tbody th { font-weight: 500; position: sticky; left: 0; background: #fff; min-width: 12.5rem; max-width: 16rem;
  overflow-wrap: anywhere; }
.number { text-align: right; white-space: nowrap; }
thead .number { white-space: normal; }
tr.total th, tr.total td { border-top: 2px solid var(--ink); font-weight: 600; }
td ul { margin: 0; padding-left: 1.1rem; }
figure { margin: 1rem 0; }
figure img { display: block; max-width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .9rem; max-width: 48rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: .5rem 1.5rem; }
.pair figure { margin: .4rem 0; min-width: 0; }
pre { background: var(--pale); border: 1px solid var(--line); padding: .7rem; margin: 0; font-size: .85rem;
  overflow-wrap: normal; width: max-content; min-width: 100%; }
@media (max-width: 45rem) {
  body { padding: .7rem; }
  .wide img { max-width: none; width: 44rem; }
  tbody th { min-width: 7rem; max-width: 9rem; }
}
@media print {
  @page { size: A4 landscape; margin: 12mm; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; }
  .scroll { overflow: visible; }
  table { font-size: 6.6pt; width: 100%; }
  th, td { padding: 1pt 2pt; max-width: none; overflow-wrap: anywhere; }
  .number { white-space: normal; }
  tbody th { position: static; min-width: 0; }
  caption span { max-width: none; position: static; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; width: auto; }
  h2, h3, caption { break-after: avoid; }
  figure, tr, .findings li, dl.figures div { break-inside: avoid; }
  .wide img { width: 100%; }
  .pair { grid-template-columns: 1fr 1fr; }
}
"""

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header>
$header
<nav aria-label="Contents">$contents</nav>
</header>
<main>
$body
</main>
<footer><p class="soft">$footer</p></footer>
</body>
</html>
""")
