// Package postgres is PostgreSQL.
package postgres
