# Makes fixtures.json, against which the estimators are held:
#   Rscript fixtures.R > fixtures.json
# R 4.2.2, base packages only.
num <- function(x) paste0("[", paste(sprintf("%.17g", x), collapse = ","), "]")
obj <- function(...) {
  f <- list(...)
  paste0("{", paste(sprintf("\"%s\":%s", names(f), unlist(f)), collapse = ","), "}")
}
arr <- function(x) paste0("[\n  ", paste(x, collapse = ",\n  "), "]")
one <- function(x) sprintf("%.17g", x)
str <- function(x) sprintf("\"%s\"", x)

set.seed(20160412)
data(sleep)
# Hollander & Wolfe (1973), p. 29: Hamilton depression scale, as in ?wilcox.test.
x <- c(1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30)
y <- c(0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29)
samples <- list(
  sleep = sleep$extra[sleep$group == 1] - sleep$extra[sleep$group == 2],
  depression = x - y,
  normal12 = rnorm(12, 3, 2),
  heavy16 = rt(16, 3),
  skewed25 = rexp(25)^2,
  latency60 = 259 + 4 * rt(60, 5)
)

quantiles <- c()
for (name in names(samples)) for (q in c(0, 0.01, 0.25, 0.5, 0.9, 0.99, 1)) {
  s <- sort(samples[[name]])
  quantiles <- c(quantiles, obj(name = str(name), sorted = num(s), q = one(q), want = one(quantile(s, q, type = 7))))
}

paired <- c()
for (name in names(samples)) for (level in c(0.9, 0.95, 0.96, 0.99)) {
  d <- samples[[name]]
  t <- t.test(d, conf.level = level)
  paired <- c(paired, obj(name = str(name), d = num(d), level = one(level),
    estimate = one(t$estimate), low = one(t$conf.int[1]), high = one(t$conf.int[2])))
}

# wilcox.test turns to the normal approximation with ties and from 50 values
# on; the exact interval of ?qsignrank and the Walsh averages is taken instead,
# and where wilcox.test is exact it must agree.
rank <- c()
for (name in setdiff(names(samples), "sleep")) for (level in c(0.9, 0.95, 0.99)) {
  d <- samples[[name]]
  n <- length(d)
  w <- outer(d, d, "+") / 2
  w <- sort(w[lower.tri(w, diag = TRUE)])
  k <- qsignrank((1 - level) / 2, n)
  stopifnot(k > 0)
  low <- w[k]; high <- w[length(w) + 1 - k]
  if (n < 50) {
    r <- wilcox.test(d, conf.int = TRUE, conf.level = level, exact = TRUE)
    stopifnot(all.equal(c(low, high), as.numeric(r$conf.int)), all.equal(median(w), as.numeric(r$estimate)))
  }
  rank <- c(rank, obj(name = str(name), d = num(d), level = one(level),
    estimate = one(median(w)), low = one(low), high = one(high)))
}

binomial <- c()
for (kn in list(c(0, 10), c(1, 10), c(5, 100), c(7, 100), c(11, 200), c(20, 100), c(400, 400), c(50, 1000)))
  for (level in c(0.95, 0.99)) {
    b <- binom.test(kn[1], kn[2], conf.level = level)
    binomial <- c(binomial, obj(rejected = one(kn[1]), of = one(kn[2]), level = one(level),
      low = one(b$conf.int[1]), high = one(b$conf.int[2])))
  }

shape <- c()
for (name in names(samples)) {
  d <- samples[[name]]
  n <- length(d)
  m2 <- mean((d - mean(d))^2); m3 <- mean((d - mean(d))^3)
  shape <- c(shape, obj(name = str(name), d = num(d),
    skew = one(m3 / m2^1.5 * sqrt(n * (n - 1)) / (n - 2)), z = one(max(abs(scale(d))))))
}

detectable <- c()
for (n in c(10, 12, 20, 60)) {
  p <- power.t.test(n = n, sd = 2, sig.level = 0.05, power = 0.8, type = "paired", tol = 1e-10)
  detectable <- c(detectable, obj(n = one(n), sd = "2", level = "0.95", want = one(p$delta)))
}

tq <- c()
for (df in c(1, 2, 5, 9, 11, 19, 59, 120)) for (p in c(0.9, 0.975, 0.98, 0.995, 0.99958333333))
  tq <- c(tq, obj(df = one(df), p = one(p), want = one(qt(p, df))))

# All sign flips, written out plainly.
flips <- c()
for (m in c(2, 4)) {
  n <- 12
  base <- rnorm(n, 0, 3)
  d <- sapply(seq_len(m), function(j) base + rt(n, 4) + j)
  e <- scale(d, scale = FALSE)
  signs <- as.matrix(expand.grid(rep(list(c(-1, 1)), n)))
  greatest <- apply(signs, 1, function(s) {
    f <- e * s
    max(abs(colMeans(f)) / (apply(f, 2, sd) / sqrt(n)))
  })
  level <- 0.95
  critical <- sort(greatest)[ceiling(level * length(greatest))]
  half <- critical * apply(d, 2, sd) / sqrt(n)
  flips <- c(flips, obj(d = paste0("[", paste(apply(d, 2, num), collapse = ","), "]"), level = one(level),
    critical = one(critical), low = num(colMeans(d) - half), high = num(colMeans(d) + half)))
}

# Fieller's set, as its definition says: all theta for which R's own t interval
# of x - theta y holds 0, its ends found by bisection. Published pairs: sleep
# (Student 1908) both ways round (one of the two has no bounds, since the
# interval of its denominator holds 0), Hollander and Wolfe's depression scale,
# and blood pressure before and after captopril (MacGregor et al., 1979).
captopril <- list(
  before = c(210, 169, 187, 160, 167, 176, 185, 206, 173, 146, 174, 201, 198, 148, 154),
  after = c(201, 165, 166, 157, 147, 145, 168, 180, 147, 136, 151, 168, 179, 129, 131))
first <- sleep$extra[sleep$group == 1]
second <- sleep$extra[sleep$group == 2]
ratios <- c()
for (p in list(list("sleep", first, second), list("sleep, the other way", second, first),
               list("depression", y, x), list("captopril", captopril$after, captopril$before))) {
  over <- p[[2]]
  under <- p[[3]]
  for (level in c(0.95, 0.96)) {
    excess <- function(theta) abs(t.test(over - theta * under)$statistic) - qt(1 - (1 - level) / 2, length(over) - 1)
    theta <- mean(over) / mean(under)
    den <- t.test(under, conf.level = level)$conf.int
    bounded <- den[1] > 0 || den[2] < 0
    low <- 0
    high <- 0
    if (bounded) {
      low <- uniroot(excess, c(theta - 5, theta), tol = 1e-14)$root
      high <- uniroot(excess, c(theta, theta + 5), tol = 1e-14)$root
    }
    ratios <- c(ratios, obj(name = str(p[[1]]), over = num(over), under = num(under), level = one(level),
      estimate = one(theta), bounded = if (bounded) "true" else "false", low = one(low), high = one(high)))
  }
}

cat(obj(quantile = arr(quantiles), paired = arr(paired), rank = arr(rank), binomial = arr(binomial),
  shape = arr(shape), detectable = arr(detectable), t = arr(tq), flips = arr(flips), ratio = arr(ratios)), "\n", sep = "")
