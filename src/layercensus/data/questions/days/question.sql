-- Which days each signal has, and how many clusters spoke on them.
SELECT
  signal,
  on_day,
  SUM(fresh) AS clusters_heard
FROM day_sums
WHERE numerator = 'packages'
GROUP BY signal, on_day
HAVING SUM(fresh) > 0
ORDER BY signal, on_day
