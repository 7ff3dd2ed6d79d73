// Package hostile holds tests of the root package against servers, users and
// conditions that mean it no good: answers of every kind of brokenness to every
// request, and load beyond what anybody handles. They take too long, or need too
// much of a machine, to be among the tests of the root package.
package hostile
