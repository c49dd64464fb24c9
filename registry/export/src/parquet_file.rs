//! Parquet: rows are gathered by columns, and written group by group.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use fs_err as fs;
use parquet::{
    basic::{Compression, LogicalType, Repetition, TimeUnit, Type as PhysicalType},
    data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::types::{ColumnPath, Type, TypePtr},
};

use crate::{
    Error,
    table::{Cell, Column, Kind, TableFile},
};

/// Rows of a group, which is what is held in memory: some 30 MiB of measurements.
const ROWS_PER_GROUP: usize = 1 << 17;

pub(crate) struct ParquetFile {
    path: PathBuf,
    writer: SerializedFileWriter<fs::File>,
    columns: Vec<Gathered>,
    rows: usize,
}

/// The cells of one column that wait for their group.
struct Gathered {
    values: Values,
    /// For an optional column: one for a value, zero for a missing cell.
    levels: Option<Vec<i16>>,
}

enum Values {
    /// With the texts of this group, each held once.
    Text(Vec<ByteArray>, HashMap<String, ByteArray>),
    Integer(Vec<i64>),
    Number(Vec<f64>),
    Flag(Vec<bool>),
}

impl ParquetFile {
    pub(crate) fn create(path: &Path, columns: Vec<Column>) -> Result<Self, Error> {
        let failed = Error::parquet(path);
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(format!("ablate {}", env!("CARGO_PKG_VERSION")));
        for column in columns.iter().filter(|column| column.kind == Kind::Number) {
            // Hardly two are equal.
            let path = ColumnPath::new(vec![column.name.clone()]);
            properties = properties.set_column_dictionary_enabled(path, false);
        }
        let fields = columns.iter().map(field).collect::<Result<Vec<_>, _>>().map_err(&failed)?;
        let schema = Type::group_type_builder("schema").with_fields(fields).build();
        let writer = SerializedFileWriter::new(
            fs::File::create(path)?,
            Arc::new(schema.map_err(&failed)?),
            Arc::new(properties.build()),
        )
        .map_err(&failed)?;
        let columns = columns.iter().map(Gathered::new).collect();
        Ok(Self { path: path.to_path_buf(), writer, columns, rows: 0 })
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.rows == 0 {
            return Ok(());
        }
        self.rows = 0;
        let failed = Error::parquet(&self.path);
        let mut group = self.writer.next_row_group().map_err(&failed)?;
        for column in &mut self.columns {
            let file = group.next_column().map_err(&failed)?.expect("the schema has the column");
            column.write(file).map_err(&failed)?;
        }
        group.close().map_err(&failed)?;
        Ok(())
    }
}

impl TableFile for ParquetFile {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), Error> {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell);
        }
        self.rows += 1;
        if self.rows == ROWS_PER_GROUP { self.flush() } else { Ok(()) }
    }

    fn close(mut self: Box<Self>) -> Result<(), Error> {
        self.flush()?;
        let file = self.writer.into_inner().map_err(Error::parquet(&self.path))?;
        Ok(file.sync_all()?)
    }
}

/// How a column stands in the file's schema.
fn field(column: &Column) -> Result<TypePtr, ParquetError> {
    let (physical, logical) = match column.kind {
        Kind::Text => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Count => (PhysicalType::INT64, Some(LogicalType::integer(64, false))),
        Kind::Integer => (PhysicalType::INT64, Some(LogicalType::integer(64, true))),
        Kind::Number => (PhysicalType::DOUBLE, None),
        Kind::Flag => (PhysicalType::BOOLEAN, None),
        Kind::Time => (PhysicalType::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
    };
    let repetition = if column.optional { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    Type::primitive_type_builder(&column.name, physical)
        .with_repetition(repetition)
        .with_logical_type(logical)
        .build()
        .map(Arc::new)
}

impl Gathered {
    fn new(column: &Column) -> Self {
        let values = match column.kind {
            Kind::Text => Values::Text(Vec::new(), HashMap::new()),
            Kind::Count | Kind::Integer | Kind::Time => Values::Integer(Vec::new()),
            Kind::Number => Values::Number(Vec::new()),
            Kind::Flag => Values::Flag(Vec::new()),
        };
        Self { values, levels: column.optional.then(Vec::new) }
    }

    fn push(&mut self, cell: &Cell<'_>) {
        if let Some(levels) = &mut self.levels {
            levels.push(i16::from(*cell != Cell::Missing));
        }
        match (&mut self.values, cell) {
            (Values::Text(values, known), Cell::Text(text)) => {
                let value = known.get(text.as_ref()).cloned().unwrap_or_else(|| {
                    let value = ByteArray::from(text.as_ref());
                    known.insert(text.to_string(), value.clone());
                    value
                });
                values.push(value);
            }
            // An unsigned number is stored as the signed one of the same bits.
            (Values::Integer(values), Cell::Count(count)) => values.push(count.cast_signed()),
            (Values::Integer(values), Cell::Integer(integer)) => values.push(*integer),
            (Values::Integer(values), Cell::Time(time)) => values.push(time.timestamp_millis()),
            (Values::Number(values), Cell::Number(number)) => values.push(*number),
            (Values::Flag(values), Cell::Flag(flag)) => values.push(*flag),
            (_, Cell::Missing) if self.levels.is_some() => {}
            (_, cell) => unreachable!("{cell:?} is not of the kind of its column"),
        }
    }

    /// Writes the column of a group, and is empty again.
    fn write(&mut self, mut file: SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = self.levels.as_deref();
        match &mut self.values {
            Values::Text(values, known) => {
                file.typed::<ByteArrayType>().write_batch(values, levels, None)?;
                values.clear();
                known.clear();
            }
            Values::Integer(values) => {
                file.typed::<Int64Type>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Number(values) => {
                file.typed::<DoubleType>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Flag(values) => {
                file.typed::<BoolType>().write_batch(values, levels, None)?;
                values.clear();
            }
        }
        if let Some(levels) = &mut self.levels {
            levels.clear();
        }
        file.close()
    }
}
